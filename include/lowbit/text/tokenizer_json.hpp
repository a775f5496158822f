// SPDX-License-Identifier: Apache-2.0
// Strict reader for the JSON of Hugging Face tokenizers: anything this library does not implement
// is rejected by name rather than skipped, even where it might not matter to the caller.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "lowbit/core/status.hpp"
#include "lowbit/text/json_fields.hpp"
#include "lowbit/text/tokenizer_parts.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// `special`: whether the token is one that the model requires. By default such tokens match the
/// text before normalization, others after it.
[[nodiscard]] inline result<added_token> parse_added_token(const nlohmann::json& value,
                                                           bool special) {
  added_token token;
  if (value.is_string()) {
    token.content = value.get<std::string>();
    token.normalized = !special;
  } else if (value.is_object()) {
    LOWBIT_TRY(read_bool(value, "special", special));
    token.normalized = !special;
    LOWBIT_TRY(read_string(value, "content", token.content));
    LOWBIT_TRY(read_bool(value, "single_word", token.single_word));
    LOWBIT_TRY(read_bool(value, "lstrip", token.lstrip));
    LOWBIT_TRY(read_bool(value, "rstrip", token.rstrip));
    LOWBIT_TRY(read_bool(value, "normalized", token.normalized));
  } else {
    return wrong_type("token", value, "a string or an object");
  }
  if (token.content.empty())
    return status::error(errc::malformed, "token content is empty, expected text");
  return token;
}

[[nodiscard]] inline status parse_model(const nlohmann::json& root, tokenizer_parts& parts) {
  const auto& model = member(root, "model");
  // The earliest files had no type; only WordPiece has this field.
  if (!model.is_object() || model.contains("type") || !model.contains("max_input_chars_per_word"))
    LOWBIT_TRY(expect_type(root, "model", "WordPiece"));
  LOWBIT_TRY(read_string(model, "unk_token", parts.unknown));
  LOWBIT_TRY(read_string(model, "continuing_subword_prefix", parts.prefix));
  if (const auto& limit = member(model, "max_input_chars_per_word"); !limit.is_null()) {
    if (!limit.is_number_unsigned())
      return wrong_type("max_input_chars_per_word", limit, "a count");
    parts.max_word_characters = limit.get<std::size_t>();
  }
  const auto& vocabulary = member(model, "vocab");
  if (!vocabulary.is_object()) return wrong_type("model.vocab", vocabulary, "an object");
  parts.model_size = vocabulary.size();
  parts.tokens.resize(parts.model_size);
  for (const auto& [token, id] : vocabulary.items()) {
    if (token.empty()) return status::error(errc::malformed, "model.vocab: an empty token");
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= parts.model_size)
      return status::error(errc::malformed, "model.vocab: token '", token, "' has id ", id.dump(),
                           ", expected the ids 0 to ", parts.model_size - 1, " without gaps");
    std::string& slot = parts.tokens[id.get<std::size_t>()];
    if (!slot.empty())
      return status::error(errc::malformed, "model.vocab: tokens '", slot, "' and '", token,
                           "' both have id ", id.get<std::uint64_t>());
    slot = token;
  }
  return {};
}

[[nodiscard]] inline status parse_added_tokens(const nlohmann::json& root, tokenizer_parts& parts) {
  const auto& list = member(root, "added_tokens");
  if (list.is_null()) return {};
  if (!list.is_array()) return wrong_type("added_tokens", list, "an array");
  const auto& vocabulary = root["model"]["vocab"];
  for (const auto& entry : list) {
    auto token = parse_added_token(entry, true);
    if (!token) return token.status().in("added_tokens");
    const auto& id = entry.is_object() ? member(entry, "id") : entry;
    if (!id.is_number_unsigned()) return wrong_type("added_tokens: id", id, "a token id");
    const auto known = vocabulary.find(token->content);
    const std::uint64_t expected =
        known != vocabulary.end() ? known->get<std::uint64_t>() : parts.tokens.size();
    if (id.get<std::uint64_t>() != expected)
      return status::error(errc::malformed, "added_tokens: '", token->content, "' has id ",
                           id.get<std::uint64_t>(), ", expected ", expected);
    if (known == vocabulary.end()) parts.tokens.push_back(token->content);
    parts.added.push_back(*std::move(token));
  }
  return {};
}

/// Newer files have TemplateProcessing instead of BertProcessing; only BERT's template is accepted.
[[nodiscard]] inline status parse_template(const nlohmann::json& processor,
                                           tokenizer_parts& parts) {
  const auto special = [](const std::string& id, int type) {
    return nlohmann::json{{"SpecialToken", {{"id", id}, {"type_id", type}}}};
  };
  const auto sequence = [](const char* id, int type) {
    return nlohmann::json{{"Sequence", {{"id", id}, {"type_id", type}}}};
  };
  const auto& single = member(processor, "single");
  if (single.is_array() && single.size() == 3 && single[0].is_object() && single[2].is_object()) {
    if (const auto& first = member(single[0], "SpecialToken"); first.is_object())
      LOWBIT_TRY(read_string(first, "id", parts.classifier));
    if (const auto& last = member(single[2], "SpecialToken"); last.is_object())
      LOWBIT_TRY(read_string(last, "id", parts.separator));
  }
  const auto cls = special(parts.classifier, 0), sep = special(parts.separator, 0);
  if (single != nlohmann::json{cls, sequence("A", 0), sep} ||
      member(processor, "pair") !=
          nlohmann::json{cls, sequence("A", 0), sep, sequence("B", 1), special(parts.separator, 1)})
    return status::error(errc::unsupported,
                         "post_processor: a template that is not BERT's [CLS] A [SEP] B [SEP]");
  return {};
}

[[nodiscard]] inline status parse_post_processor(const nlohmann::json& root,
                                                 tokenizer_parts& parts) {
  const auto& processor = member(root, "post_processor");
  if (processor.is_object() && member(processor, "type") == "TemplateProcessing")
    return parse_template(processor, parts);
  LOWBIT_TRY(expect_type(root, "post_processor", "BertProcessing"));
  for (const auto& [key, name] :
       {std::pair{"sep", &parts.separator}, std::pair{"cls", &parts.classifier}}) {
    const auto& value = member(processor, key);
    if (!value.is_array() || value.size() != 2 || !value[0].is_string())
      return wrong_type(std::string("post_processor.") + key, value, "[token, id]");
    *name = value[0].get<std::string>();
    const auto& vocabulary = root["model"]["vocab"];
    if (const auto known = vocabulary.find(*name); known != vocabulary.end() && *known != value[1])
      return status::error(errc::malformed, "post_processor: '", *name, "' has id ",
                           value[1].dump(), ", the vocabulary says ", known->dump());
  }
  return {};
}

/// Errors: malformed; unsupported if a component is not one of BERT's
[[nodiscard]] inline result<tokenizer_parts> parse_tokenizer_json(std::string_view text) {
  constexpr std::string_view members[] = {"model",          "normalizer", "pre_tokenizer",
                                          "post_processor", "truncation", "padding",
                                          "added_tokens"};
  LOWBIT_TRY_ASSIGN(auto root, parse_object(text, members));
  tokenizer_parts parts;
  LOWBIT_TRY(parse_model(root, parts));
  LOWBIT_TRY(expect_type(root, "normalizer", "BertNormalizer"));
  LOWBIT_TRY(expect_type(root, "pre_tokenizer", "BertPreTokenizer"));
  const auto& normalizer = member(root, "normalizer");
  LOWBIT_TRY(read_bool(normalizer, "clean_text", parts.normalizer.clean_text));
  LOWBIT_TRY(read_bool(normalizer, "handle_chinese_chars", parts.normalizer.handle_chinese_chars));
  LOWBIT_TRY(read_bool(normalizer, "strip_accents", parts.normalizer.strip_accents));
  LOWBIT_TRY(read_bool(normalizer, "lowercase", parts.normalizer.lower_case));
  LOWBIT_TRY(parse_added_tokens(root, parts));
  LOWBIT_TRY(parse_post_processor(root, parts));
  if (const auto& cut = member(root, "truncation"); cut.is_object()) {
    std::string direction = "Right", strategy = "LongestFirst";
    LOWBIT_TRY(read_string(cut, "direction", direction));
    LOWBIT_TRY(read_string(cut, "strategy", strategy));
    if (direction != "Right" || strategy != "LongestFirst")
      return status::error(errc::unsupported, "truncation: ", direction, " ", strategy,
                           ", expected Right LongestFirst");
  }
  if (const auto& pad = member(root, "padding"); pad.is_object())
    LOWBIT_TRY(read_string(pad, "pad_token", parts.padding));
  return parts;
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
