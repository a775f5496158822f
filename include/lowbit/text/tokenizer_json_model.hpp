// SPDX-License-Identifier: Apache-2.0
// The model of tokenizer.json and its vocabulary. A new model is an entry in the list here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/text/json_fields.hpp"
#include "lowbit/text/tokenizer_parts.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// {"token": id, ..} -> the tokens of the model in id order.
/// Errors: malformed for an empty token, or ids that are not 0 to n - 1
[[nodiscard]] inline status read_vocabulary(const nlohmann::json& vocabulary,
                                            tokenizer_parts& parts) {
  if (!vocabulary.is_object()) return wrong_type("vocab", vocabulary, "an object");
  parts.model_size = vocabulary.size();
  parts.tokens.resize(parts.model_size);
  for (const auto& [token, id] : vocabulary.items()) {
    if (token.empty()) return status::error(errc::malformed, "vocab: an empty token");
    if (!id.is_number_unsigned() || id.template get<std::uint64_t>() >= parts.model_size)
      return status::error(errc::malformed, "vocab: token '", token, "' has id ", id.dump(),
                           ", expected the ids 0 to ", parts.model_size - 1, " without gaps");
    std::string& slot = parts.tokens[id.template get<std::size_t>()];
    if (!slot.empty())
      return status::error(errc::malformed, "vocab: tokens '", slot, "' and '", token,
                           "' both have id ", id.template get<std::uint64_t>());
    slot = token;
  }
  return {};
}

[[nodiscard]] inline status read_wordpiece(const nlohmann::json& model, tokenizer_parts& parts) {
  wordpiece_model::options o;
  LOWBIT_TRY(read_string(model, "unk_token", parts.unknown));
  LOWBIT_TRY(read_string(model, "continuing_subword_prefix", o.prefix));
  if (const auto& limit = member(model, "max_input_chars_per_word"); !limit.is_null()) {
    if (!limit.is_number_unsigned())
      return wrong_type("max_input_chars_per_word", limit, "a count");
    o.max_characters = limit.get<std::size_t>();
  }
  parts.model = std::move(o);
  return read_vocabulary(member(model, "vocab"), parts);
}

/// A line "left right" of merges.txt or a string of the array.
[[nodiscard]] inline status read_merge(std::string_view line, std::size_t index,
                                       bpe_model::options& o) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos)
    return status::error(errc::malformed, "merge ", index, " is '", line,
                         "', expected two tokens with a space between them");
  o.merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  return {};
}

[[nodiscard]] inline status read_merges(const nlohmann::json& merges, bpe_model::options& o) {
  if (!merges.is_array()) return wrong_type("merges", merges, "an array");
  const bool are_strings = !merges.empty() && merges[0].is_string();
  for (std::size_t i = 0; i < merges.size(); ++i) {
    const auto& merge = merges[i];
    if (are_strings && merge.is_string()) {
      const auto& line = merge.get_ref<const std::string&>();
      if (!line.starts_with("#version")) LOWBIT_TRY(read_merge(line, i, o).in("merges"));
    } else if (!are_strings && merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      o.merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
    } else {
      return status::error(errc::malformed, "merges: merge ", i, " is ", merge.dump().substr(0, 80),
                           ", expected ",
                           are_strings ? "a string like the first" : "[left, right]");
    }
  }
  return {};
}

[[nodiscard]] inline status read_bpe(const nlohmann::json& model, tokenizer_parts& parts) {
  bpe_model::options o;
  LOWBIT_TRY(read_string(model, "unk_token", o.unknown));
  LOWBIT_TRY(read_string(model, "continuing_subword_prefix", o.prefix));
  LOWBIT_TRY(read_string(model, "end_of_word_suffix", o.suffix));
  LOWBIT_TRY(read_bool(model, "fuse_unk", o.fuse_unknown));
  LOWBIT_TRY(read_bool(model, "byte_fallback", o.byte_fallback));
  LOWBIT_TRY(read_bool(model, "ignore_merges", o.ignore_merges));
  if (const auto& dropout = member(model, "dropout"); !dropout.is_null()) {
    if (!dropout.is_number()) return wrong_type("dropout", dropout, "a number");
    if (dropout.get<double>() != 0)
      return status::error(errc::unsupported, "dropout: ", dropout.dump(),
                           ", expected 0: tokens would be random");
  }
  if (o.byte_fallback && !(o.prefix.empty() && o.suffix.empty()))
    return status::error(errc::unsupported,
                         "byte_fallback with continuing_subword_prefix or "
                         "end_of_word_suffix");
  LOWBIT_TRY(read_merges(member(model, "merges"), o));
  parts.unknown = o.unknown;
  parts.model = std::move(o);
  return read_vocabulary(member(model, "vocab"), parts);
}

/// vocab: [["token", score], ..]
[[nodiscard]] inline status read_unigram(const nlohmann::json& model, tokenizer_parts& parts) {
  unigram_model::options o;
  LOWBIT_TRY(read_bool(model, "byte_fallback", o.byte_fallback));
  const auto& vocabulary = member(model, "vocab");
  if (!vocabulary.is_array()) return wrong_type("vocab", vocabulary, "an array");
  for (const auto& entry : vocabulary) {
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number())
      return status::error(errc::malformed, "vocab: entry ", o.scores.size(),
                           ", expected [token, score]");
    parts.tokens.push_back(entry[0].get<std::string>());
    o.scores.push_back(entry[1].get<double>());
  }
  const auto& unknown = member(model, "unk_id");
  if (!unknown.is_number_unsigned() || unknown.get<std::uint64_t>() >= parts.tokens.size())
    return status::error(errc::malformed, "unk_id: ", unknown.dump(), ", expected less than the ",
                         parts.tokens.size(), " tokens");
  parts.unknown = parts.tokens[unknown.get<std::size_t>()];
  parts.model_size = parts.tokens.size();
  parts.model = std::move(o);
  return {};
}

/// Errors: malformed; unsupported for an unknown type, with the known ones
[[nodiscard]] inline status read_model(const nlohmann::json& model, tokenizer_parts& parts) {
  struct model_reader {
    std::string_view type, own_field;  // the earliest files had no type, but this field
    status (*read)(const nlohmann::json&, tokenizer_parts&);
  };
  constexpr model_reader known[] = {{"WordPiece", "max_input_chars_per_word", read_wordpiece},
                                    {"BPE", "merges", read_bpe},
                                    {"Unigram", "unk_id", read_unigram}};
  const bool has_type = !model.is_object() || model.contains("type");
  std::string type;
  if (has_type) {
    LOWBIT_TRY_ASSIGN(type, component_type(model));
  }
  std::string names;
  for (const model_reader& m : known) {
    if (has_type ? m.type == type : model.contains(std::string(m.own_field)))
      return m.read(model, parts);
    names.append(names.empty() ? "" : ", ").append(m.type);
  }
  return status::error(errc::unsupported, "'", type, "', expected one of ", names);
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
