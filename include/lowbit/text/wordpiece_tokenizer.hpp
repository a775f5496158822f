// SPDX-License-Identifier: Apache-2.0
// Text -> token ids and byte offsets, exactly like Hugging Face's BERT tokenizer: BertNormalizer,
// BertPreTokenizer, WordPiece, [CLS] A [SEP] B [SEP]. Does not depend on models. Invalid UTF-8 is
// an error rather than repaired, because a replacement character would silently change the ids.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/text/added_tokens.hpp"
#include "lowbit/text/encoding.hpp"
#include "lowbit/text/normalizer.hpp"
#include "lowbit/text/tokenizer_files.hpp"
#include "lowbit/text/tokenizer_parts.hpp"
#include "lowbit/text/vocabulary.hpp"
#include "lowbit/text/words.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Source: Hugging Face tokenizers 0.23 (BertNormalizer, BertPreTokenizer, WordPiece,
///         BertProcessing, AddedVocabulary); compared with it by scripts/tokenizer-diff.
/// Cost:   linear in the text, times at most max_input_chars_per_word; const member functions may
///         run concurrently
class wordpiece_tokenizer {
 public:
  /// Loads a folder (tokenizer.json if present, else vocab.txt, with the optional files beside it:
  /// tokenizer_config.json, special_tokens_map.json, added_tokens.json, config.json), or a single
  /// file (`*.json` is a tokenizer.json, anything else a vocab.txt with the defaults of BERT
  /// uncased). Truncation and padding settings of a tokenizer.json are left to the caller.
  ///
  /// Errors: not_found, io_error; malformed for invalid JSON or UTF-8, duplicate tokens, gaps in
  /// the
  ///         ids, no [UNK], [CLS] or [SEP]; unsupported for other kinds of tokenizer
  static result<wordpiece_tokenizer> load(const std::filesystem::path& folder_or_file) {
    LOWBIT_TRY_ASSIGN(auto parts, detail::read_tokenizer(folder_or_file));
    auto made = make(std::move(parts));
    if (!made) return made.status().in(folder_or_file.string());
    return made;
  }

  /// Makes a tokenizer from tokens in id order, with the defaults of BERT.
  static result<wordpiece_tokenizer> from_vocabulary(std::vector<std::string> tokens,
                                                     bool lower_case = true) {
    detail::tokenizer_parts parts;
    parts.tokens = std::move(tokens);
    parts.model_size = parts.tokens.size();
    parts.normalizer.lower_case = lower_case;
    detail::add_special_tokens(parts);
    return make(std::move(parts));
  }

  /// [CLS] text [SEP], truncated on the right to max_tokens.
  ///
  /// Errors: invalid_argument if max_tokens < 2; malformed if the text is not valid UTF-8, with the
  ///         byte offset
  [[nodiscard]] result<encoding> encode(std::string_view text, std::size_t max_tokens) const {
    if (max_tokens < 2) return too_few(max_tokens, 2);
    encoding e;
    detail::append_token(e, cls_, 0, {});
    LOWBIT_TRY(append_text(e, text, 0, max_tokens));
    if (e.ids.size() > max_tokens - 1) detail::cut(e, 1, e.ids.size() - 1, max_tokens - 2);
    detail::append_token(e, sep_, 0, {});
    return e;
  }

  /// [CLS] first [SEP] second [SEP]; the longer text is truncated first (Hugging Face's
  /// longest_first).
  ///
  /// Errors: as for encode, with max_tokens < 3
  [[nodiscard]] result<encoding> encode_pair(std::string_view first, std::string_view second,
                                             std::size_t max_tokens) const {
    if (max_tokens < 3) return too_few(max_tokens, 3);
    encoding e, rest;
    detail::append_token(e, cls_, 0, {});
    if (auto s = append_text(e, first, 0, max_tokens); !s.ok()) return s.in("first text");
    if (auto s = append_text(rest, second, second_type_, max_tokens); !s.ok())
      return s.in("second text");
    const auto [a, b] = detail::longest_first(e.ids.size() - 1, rest.ids.size(), max_tokens - 3);
    detail::cut(e, 1, e.ids.size() - 1, a);
    detail::cut(rest, 0, rest.ids.size(), b);
    detail::append_token(e, sep_, 0, {});
    detail::append_token(rest, sep_, second_type_, {});
    detail::append(e, rest);
    return e;
  }

  /// The tokens of the text alone, without special tokens or truncation.
  ///
  /// Errors: malformed if the text is not valid UTF-8
  [[nodiscard]] result<encoding> encode_plain(std::string_view text) const {
    encoding e;
    LOWBIT_TRY(append_text(e, text, 0, std::numeric_limits<std::size_t>::max()));
    return e;
  }

  [[nodiscard]] std::size_t vocabulary_size() const { return vocabulary_.size(); }
  /// Requires: 0 <= id < vocabulary_size()
  [[nodiscard]] std::string_view token(std::int32_t id) const { return vocabulary_.token(id); }
  [[nodiscard]] std::optional<std::int32_t> id(std::string_view token) const {
    return vocabulary_.id(token);
  }
  [[nodiscard]] std::int32_t unk_id() const { return unk_; }
  [[nodiscard]] std::int32_t cls_id() const { return cls_; }
  [[nodiscard]] std::int32_t sep_id() const { return sep_; }
  [[nodiscard]] std::optional<std::int32_t> pad_id() const { return pad_; }
  [[nodiscard]] std::optional<std::int32_t> mask_id() const { return mask_; }
  [[nodiscard]] const normalizer_options& normalizer() const { return normalizer_; }
  /// The type id of the second text of a pair: 1, or 0 for models without segment ids.
  [[nodiscard]] std::int32_t second_type() const { return second_type_; }

 private:
  // Converts words to tokens. Stops like the reference after the word that reaches the limit, which
  // affects the lengths that longest_first sees for long pairs.
  struct token_sink {
    const wordpiece_tokenizer& tokenizer;
    std::string_view original;
    encoding& out;
    std::int32_t type_id;
    std::size_t limit;
    std::size_t first = out.ids.size();
    bool stopped = false;
    std::vector<detail::vocabulary::piece> pieces{};
    std::vector<std::uint64_t> hashes{};

    [[nodiscard]] bool done() const { return stopped; }

    void operator()(const detail::text_word& w) {
      if (w.characters > tokenizer.max_word_characters_ ||
          !tokenizer.vocabulary_.split(w.text, pieces, hashes)) {
        push(tokenizer.unk_, w.origins.front(), w.last_origin);
      } else {
        for (const auto& p : pieces) push(p.id, w.origins[p.begin], w.origins[p.end - 1]);
      }
      stopped = out.ids.size() - first >= limit;
    }

    void push(std::int32_t id, std::size_t first_origin, std::size_t last_origin) {
      const std::size_t end = last_origin + detail::utf8_length(original[last_origin]);
      detail::append_token(out, id, type_id, {first_origin, end});
    }
  };

  wordpiece_tokenizer() = default;

  static result<wordpiece_tokenizer> make(detail::tokenizer_parts parts) {
    LOWBIT_TRY_ASSIGN(auto vocabulary, detail::vocabulary::make(std::move(parts.tokens),
                                                                parts.model_size, parts.prefix));
    wordpiece_tokenizer t;
    t.vocabulary_ = std::move(vocabulary);
    t.normalizer_ = parts.normalizer;
    t.max_word_characters_ = parts.max_word_characters;
    t.second_type_ = parts.has_type_ids ? 1 : 0;
    for (const auto& [name, id] :
         {std::pair{&parts.unknown, &t.unk_}, std::pair{&parts.classifier, &t.cls_},
          std::pair{&parts.separator, &t.sep_}}) {
      const auto found = t.id(*name);
      if (!found)
        return status::error(errc::malformed, "vocabulary: no token '", *name, "', expected one");
      *id = *found;
    }
    t.pad_ = t.id(parts.padding);
    t.mask_ = t.id(parts.mask);
    std::vector<detail::added_token> exact, normalized;
    for (detail::added_token& a : parts.added) {
      const auto id = t.id(a.content);
      LOWBIT_EXPECTS(id.has_value());
      a.id = *id;
      if (a.normalized) {
        detail::normalized_text n;
        detail::normalize(a.content, 0, a.content.size(), t.normalizer_, n);
        if (n.text.empty())
          return status::error(errc::unsupported, "added token '", a.content,
                               "': nothing is left of it after normalization");
        a.content = std::move(n.text);
      }
      (a.normalized ? normalized : exact).push_back(std::move(a));
    }
    for (auto [tokens, matcher] :
         {std::pair{&exact, &t.added_}, std::pair{&normalized, &t.normalized_added_}}) {
      LOWBIT_TRY_ASSIGN(auto made, detail::added_token_matcher::make(std::move(*tokens)));
      *matcher = std::move(made);
    }
    return t;
  }

  [[nodiscard]] static status too_few(std::size_t found, std::size_t expected) {
    return status::error(errc::invalid_argument, "max_tokens: ", found, ", expected at least ",
                         expected, " for the special tokens");
  }

  [[nodiscard]] status append_text(encoding& e, std::string_view text, std::int32_t type_id,
                                   std::size_t limit) const {
    if (const auto at = detail::find_invalid_utf8(text))
      return status::error(errc::malformed, "text: not valid UTF-8 at byte ", *at);
    token_sink sink{*this, text, e, type_id, limit};
    detail::word_splitter words(sink, max_word_characters_);
    const auto stretch = [&](std::size_t begin, std::size_t end) {
      if (sink.done()) return;
      if (!normalized_added_.empty()) return append_normalized(sink, words, begin, end);
      detail::normalize(text, begin, end, normalizer_, words);
      words.finish();
    };
    added_.split(text, stretch,
                 [&](const detail::added_token& t, std::size_t begin, std::size_t end) {
                   if (!sink.done()) detail::append_token(e, t.id, type_id, {begin, end});
                 });
    return {};
  }

  // The slow path: added tokens that match normalized text need all of the text at once.
  void append_normalized(token_sink& sink, detail::word_splitter<token_sink>& words,
                         std::size_t begin, std::size_t end) const {
    detail::normalized_text n;
    detail::normalize(sink.original, begin, end, normalizer_, n);
    const auto stretch = [&](std::size_t b, std::size_t e) {
      for (std::size_t at = b; at < e && !sink.done(); at += detail::utf8_length(n.text[at]))
        words(detail::decode_utf8(n.text, at), n.origins[at]);
      words.finish();
    };
    normalized_added_.split(n.text, stretch,
                            [&](const detail::added_token& t, std::size_t b, std::size_t e) {
                              if (!sink.done()) sink.push(t.id, n.origins[b], n.origins[e - 1]);
                            });
  }

  detail::vocabulary vocabulary_;
  detail::added_token_matcher added_, normalized_added_;
  normalizer_options normalizer_;
  std::size_t max_word_characters_ = 100;
  std::int32_t unk_ = 0, cls_ = 0, sep_ = 0, second_type_ = 1;
  std::optional<std::int32_t> pad_, mask_;
};

}  // namespace lowbit::inline LOWBIT_ISA
