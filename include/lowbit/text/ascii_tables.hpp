// SPDX-License-Identifier: Apache-2.0
// Makes the tables of text/ascii_wordpiece.hpp from a tokenizer.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/text/ascii_wordpiece.hpp"
#include "lowbit/text/tokenizer_parts.hpp"

namespace lowbit::inline LOWBIT_ISA {

class ascii_tables {
 public:
  std::string bytes;
  std::vector<std::uint16_t> offsets, ids, starts;
  std::vector<std::uint32_t> wraps;
  std::vector<std::pair<std::string, std::int32_t>> added;  ///< text and id
  std::uint32_t words = 0;
  std::int32_t unknown = 0, classifier = 0, separator = 0;
  std::uint32_t max_characters = 0;
  bool lower_case = true;

  /// Errors: unsupported for anything but BERT's pipeline around WordPiece, for more than 65,535
  ///         tokens, and for added tokens that match normalized text, naming what differs
  static result<ascii_tables> make(const detail::tokenizer_parts& parts) {
    LOWBIT_TRY_ASSIGN(const auto model, wordpiece_of(parts));
    ascii_tables t;
    t.max_characters = static_cast<std::uint32_t>(model.max_characters);
    t.lower_case = std::get<detail::bert_normalizer>(parts.normalizers[0]).options.lower_case;
    LOWBIT_TRY(t.take_specials(parts));
    std::vector<std::pair<std::string, std::size_t>> first, rest;
    for (std::size_t id = 0; id < parts.model_size; ++id) {
      const std::string& token = parts.tokens[id];
      if (t.can_begin(token)) first.emplace_back(token, id);
      if (token.size() > model.prefix.size() && token.starts_with(model.prefix)) {
        const std::string end = token.substr(model.prefix.size());
        if (t.can_match(end)) rest.emplace_back(end, id);
      }
    }
    std::sort(first.begin(), first.end());
    std::sort(rest.begin(), rest.end());
    t.words = static_cast<std::uint32_t>(first.size());
    t.add_starts(first, 0);
    t.add_starts(rest, first.size());
    first.insert(first.end(), rest.begin(), rest.end());
    for (const auto& [text, id] : first) {
      t.mark_wrap();
      t.offsets.push_back(static_cast<std::uint16_t>(t.bytes.size()));
      t.ids.push_back(static_cast<std::uint16_t>(id));
      t.bytes += text;
    }
    t.offsets.push_back(static_cast<std::uint16_t>(t.bytes.size()));
    return t;
  }

  /// A view for this process; `tokens` holds the added ones.
  [[nodiscard]] ascii_vocabulary view(std::vector<ascii_vocabulary::added>& tokens) const {
    tokens.clear();
    for (const auto& [text, id] : added) tokens.push_back({text, id});
    ascii_vocabulary v;
    v.bytes = bytes.data();
    v.offsets = offsets.data();
    v.ids = ids.data();
    v.wraps = wraps.data();
    v.wrap_count = static_cast<std::uint32_t>(wraps.size());
    v.starts = starts.data();
    v.words = words;
    v.pieces = static_cast<std::uint32_t>(ids.size());
    v.tokens = tokens.data();
    v.token_count = static_cast<std::uint32_t>(tokens.size());
    v.unknown = unknown;
    v.classifier = classifier;
    v.separator = separator;
    v.max_characters = max_characters;
    v.lower_case = lower_case;
    return v;
  }

 private:
  static status differs(const char* what) {
    return status::error(errc::unsupported, what,
                         ": the ASCII profile has only BERT's WordPiece tokenizer");
  }

  static result<detail::wordpiece_model::options> wordpiece_of(
      const detail::tokenizer_parts& parts) {
    const auto* model = std::get_if<detail::wordpiece_model::options>(&parts.model);
    if (model == nullptr) return differs("model");
    if (model->max_characters == 0 || model->max_characters > ascii_vocabulary::longest_word) {
      return status::error(errc::unsupported, "max_input_chars_per_word is ", model->max_characters,
                           ", the ASCII profile takes 1 to ",
                           std::size_t{ascii_vocabulary::longest_word});
    }
    const auto* normalizer = parts.normalizers.size() == 1
                                 ? std::get_if<detail::bert_normalizer>(&parts.normalizers[0])
                                 : nullptr;
    if (normalizer == nullptr || !normalizer->options.clean_text) return differs("normalizer");
    if (parts.pre_tokenizers.size() != 1 ||
        !std::holds_alternative<detail::bert_pre_tokenizer>(parts.pre_tokenizers[0]))
      return differs("pre_tokenizer");
    if (parts.tokens.size() >= std::size_t{1} << 16) {
      return status::error(errc::unsupported, "a vocabulary of ", parts.tokens.size(),
                           " tokens, the ASCII profile takes at most ", (std::size_t{1} << 16) - 1);
    }
    return *model;
  }

  status take_specials(const detail::tokenizer_parts& parts) {
    const auto id_of = [&](const std::string& text, std::int32_t& id) -> status {
      const auto at = std::find(parts.tokens.begin(), parts.tokens.end(), text);
      if (at == parts.tokens.end())
        return status::error(errc::malformed, "vocabulary: no token '", text, "', expected one");
      id = static_cast<std::int32_t>(at - parts.tokens.begin());
      return {};
    };
    const auto& single = parts.specials.single;
    using enum detail::template_kind;
    const bool around = single.size() == 3 && single[0].kind == special &&
                        single[0].tokens.size() == 1 && single[1].kind == first_text &&
                        single[2].kind == special && single[2].tokens.size() == 1;
    if (!around) return differs("post_processor");
    LOWBIT_TRY(id_of(parts.unknown, unknown));
    LOWBIT_TRY(id_of(single[0].tokens[0], classifier));
    LOWBIT_TRY(id_of(single[2].tokens[0], separator));
    for (const detail::added_token& a : parts.added) {
      if (a.single_word || a.lstrip || a.rstrip || a.normalized) {
        return status::error(errc::unsupported, "added token '", a.content,
                             "': the ASCII profile has only tokens that match as they stand");
      }
      std::int32_t id = 0;
      LOWBIT_TRY(id_of(a.content, id));
      added.emplace_back(a.content, id);
    }
    return {};
  }

  /// Whether `text` can be a part of an ASCII word, which has no punctuation but single marks.
  [[nodiscard]] bool can_match(const std::string& text) const {
    return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
      return c > 0x20 && c < 0x7F && !detail::is_ascii_punctuation(c) &&
             !(lower_case && c >= 'A' && c <= 'Z');
    });
  }
  [[nodiscard]] bool can_begin(const std::string& text) const {
    return can_match(text) || (text.size() == 1 && detail::is_ascii_punctuation(text[0]));
  }

  void add_starts(const std::vector<std::pair<std::string, std::size_t>>& pieces,
                  std::size_t before) {
    for (std::uint32_t c = 0; c < ascii_vocabulary::starts_size; ++c) {
      const auto at = std::find_if(pieces.begin(), pieces.end(), [c](const auto& piece) {
        return static_cast<unsigned char>(piece.first[0]) >= c;
      });
      starts.push_back(
          static_cast<std::uint16_t>(before + static_cast<std::size_t>(at - pieces.begin())));
    }
  }

  void mark_wrap() {
    while (bytes.size() >= (wraps.size() + 1) << 16)
      wraps.push_back(static_cast<std::uint32_t>(ids.size()));
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
