// SPDX-License-Identifier: Apache-2.0
// Text -> token ids and byte offsets, exactly like Hugging Face's tokenizers: the pipeline of a
// tokenizer.json, or the one that the class of a vocabulary file stands for. Does not depend on
// models. Invalid UTF-8 is an error rather than repaired, because a replacement character would
// silently change the ids.
//
// The pipeline: added tokens are cut out of the text; the normalizers change what is left; added
// tokens that match normalized text are cut out; the pre-tokenizers split the rest into words; the
// model splits each word into tokens; special tokens go around them. To add
//   a normalizer      a struct with `void apply(normalized_text&) const` in text/normalizers.hpp or
//                     a header that it includes, its place in `normalizer_step`, and its entry in
//                     `normalizer_readers` (text/tokenizer_json_steps.hpp)
//   a pre-tokenizer   a struct with `void apply(text_pieces&) const`, its place in
//                     `pre_tokenizer_step` (text/pre_tokenizers.hpp), and its entry in
//                     `pre_tokenizer_readers`
//   a model           a class like bpe_model with `options`, `scratch`, `make` and `split`, its
//                     place in `model_options` and `word_model` (text/models.hpp), and its reader
//                     in read_model (text/tokenizer_json_model.hpp)
//   a post-processor  read_post_processor (text/tokenizer_json_post.hpp)
//   a tokenizer class a line in `tokenizer_classes` (text/tokenizer_companions.hpp)
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/text/added_tokens.hpp"
#include "lowbit/text/encoding.hpp"
#include "lowbit/text/models.hpp"
#include "lowbit/text/normalizers.hpp"
#include "lowbit/text/post_processor.hpp"
#include "lowbit/text/pre_tokenizers.hpp"
#include "lowbit/text/tokenizer_files.hpp"
#include "lowbit/text/tokenizer_parts.hpp"
#include "lowbit/text/vocabulary.hpp"
#include "lowbit/text/words.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// What a token stands for in a text.
struct token_text {
  std::string text;
  bool continues = false;  ///< no space before it
};

/// Source: Hugging Face tokenizers 0.23; compared with it by scripts/tokenizer-diff.
/// Cost:   linear in the text, for WordPiece times at most max_input_chars_per_word, for BPE times
///         the logarithm of the longest word, for Unigram times the longest token; const member
///         functions may run concurrently
class tokenizer {
 public:
  /// Loads a folder (tokenizer.json if present, else the vocabulary of its class: vocab.txt,
  /// vocab.json and merges.txt, or the SentencePiece model sentencepiece.bpe.model or spiece.model;
  /// with the optional files beside it: tokenizer_config.json, special_tokens_map.json,
  /// added_tokens.json, config.json), or a single file (`*.json` is a tokenizer.json, anything else
  /// a vocab.txt with the defaults of BERT uncased). Truncation and padding settings of a
  /// tokenizer.json are left to the caller. lower_case: the text becomes lower case before all
  /// else, unless the tokenizer does that itself (do_lower_case of sentence-transformers).
  ///
  /// Errors: not_found, io_error; malformed for invalid JSON or UTF-8, duplicate tokens, gaps in
  ///         the ids, a special token that is not in the vocabulary; unsupported for what the
  ///         library does not have, by name
  static result<tokenizer> load(const model_files& folder_or_file, bool lower_case = false) {
    LOWBIT_TRY_ASSIGN(auto parts, detail::read_tokenizer(folder_or_file));
    if (lower_case && !lowers_case(parts.normalizers))
      parts.normalizers.insert(parts.normalizers.begin(), detail::lowercase_normalizer{});
    auto made = make(std::move(parts));
    if (!made) return made.status().in(folder_or_file.native());
    return made;
  }

  /// Makes BERT's tokenizer from tokens in id order.
  static result<tokenizer> from_vocabulary(std::vector<std::string> tokens,
                                           bool lower_case = true) {
    auto parts = detail::bert_parts(std::move(tokens), {.lower_case = lower_case});
    detail::add_special_tokens(parts);
    return make(std::move(parts));
  }

  /// The text between its special tokens, such as [CLS] text [SEP], truncated on the right to
  /// max_tokens.
  ///
  /// Errors: invalid_argument if max_tokens leaves no room for the special tokens; malformed if the
  ///         text is not valid UTF-8, with the byte offset
  [[nodiscard]] result<encoding> encode(std::string_view text, std::size_t max_tokens) const {
    const std::size_t taken = detail::token_template::specials(specials_.single);
    if (max_tokens < taken) return too_few(max_tokens, taken);
    encoding e;
    for (const detail::template_piece& p : specials_.single) {
      if (p.kind == detail::template_kind::special) {
        append_specials(e, p);
        continue;
      }
      const std::size_t begin = e.ids.size();
      // Without special tokens, one more token shows that the text is longer.
      const std::size_t more = taken == 0 && max_tokens + 1 != 0 ? 1 : 0;
      LOWBIT_TRY(append_text(e, text, p.type_id, max_tokens + more));
      detail::cut(e, begin, e.ids.size() - begin, max_tokens - taken);
    }
    return e;
  }

  /// Two texts with their special tokens, such as [CLS] first [SEP] second [SEP]; the longer text
  /// is truncated first (Hugging Face's longest_first).
  ///
  /// Errors: as for encode
  [[nodiscard]] result<encoding> encode_pair(std::string_view first, std::string_view second,
                                             std::size_t max_tokens) const {
    const std::size_t taken = special_count();
    if (max_tokens < taken) return too_few(max_tokens, taken);
    encoding a, b;
    if (auto s = append_text(a, first, 0, max_tokens); !s.ok()) return s.in("first text");
    if (auto s = append_text(b, second, 0, max_tokens); !s.ok()) return s.in("second text");
    const auto [keep_a, keep_b] =
        detail::longest_first(a.ids.size(), b.ids.size(), max_tokens - taken);
    detail::cut(a, 0, a.ids.size(), keep_a);
    detail::cut(b, 0, b.ids.size(), keep_b);
    return join(std::move(a), std::move(b)).tokens;
  }

  /// Two texts already encoded by encode_plain, with the special tokens of a pair around them.
  struct joined_pair {
    encoding tokens;
    std::size_t second_begin = 0;  ///< index of the first token of the second text
  };
  [[nodiscard]] joined_pair join(encoding first, encoding second) const {
    joined_pair out;
    for (const detail::template_piece& p : specials_.pair) {
      if (p.kind == detail::template_kind::special) {
        append_specials(out.tokens, p);
        continue;
      }
      const bool is_first = p.kind == detail::template_kind::first_text;
      encoding& text = is_first ? first : second;
      std::fill(text.type_ids.begin(), text.type_ids.end(), p.type_id);
      if (!is_first) out.second_begin = out.tokens.ids.size();
      detail::append(out.tokens, text);
    }
    return out;
  }

  /// A text already encoded by encode_plain, with the special tokens of a single text around it.
  struct wrapped_text {
    encoding tokens;
    std::size_t begin = 0;  ///< index of the first token of the text
  };
  [[nodiscard]] wrapped_text wrap(encoding text) const {
    wrapped_text out;
    for (const detail::template_piece& p : specials_.single) {
      if (p.kind == detail::template_kind::special) {
        append_specials(out.tokens, p);
        continue;
      }
      std::fill(text.type_ids.begin(), text.type_ids.end(), p.type_id);
      out.begin = out.tokens.ids.size();
      detail::append(out.tokens, text);
    }
    return out;
  }
  /// Number of special tokens that wrap() adds.
  [[nodiscard]] std::size_t single_special_count() const {
    return detail::token_template::specials(specials_.single);
  }
  /// Number of special tokens that join() adds.
  [[nodiscard]] std::size_t special_count() const {
    return detail::token_template::specials(specials_.pair);
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
  /// The text of a token: "##s" continues with "s"; a byte-level "\u0120new" and
  /// SentencePiece's "\u2581new" are the word "new".
  /// Requires: 0 <= id < vocabulary_size()
  [[nodiscard]] token_text text_of(std::int32_t id) const {
    const std::string_view token = vocabulary_.token(id);
    if (!vocabulary_.model_id(token)) return {std::string(token)};
    if (!prefix_.empty() && token.size() > prefix_.size() && token.starts_with(prefix_))
      return {std::string(token.substr(prefix_.size())), true};
    for (const detail::pre_tokenizer_step& step : pre_tokenizers_) {
      const auto* spaces = std::get_if<detail::metaspace>(&step);
      if (spaces == nullptr) continue;
      const std::string& space = spaces->replacement;
      if (token.size() > space.size() && token.starts_with(space))
        return {std::string(token.substr(space.size()))};
      return {std::string(token), true};
    }
    const bool is_byte_level =
        std::any_of(pre_tokenizers_.begin(), pre_tokenizers_.end(), [](const auto& step) {
          return std::holds_alternative<detail::byte_level_pre_tokenizer>(step);
        });
    auto bytes = is_byte_level ? detail::decode_byte_level(token) : std::nullopt;
    if (!bytes || detail::find_invalid_utf8(*bytes)) return {std::string(token)};
    if (bytes->starts_with(' ')) return {bytes->substr(1)};
    return {*std::move(bytes), true};
  }
  /// Tokens by role; -1 if the tokenizer has no such token, which BERT's always has.
  [[nodiscard]] std::int32_t unk_id() const { return unk_; }
  [[nodiscard]] std::int32_t cls_id() const { return cls_; }
  [[nodiscard]] std::int32_t sep_id() const { return sep_; }
  [[nodiscard]] std::optional<std::int32_t> pad_id() const { return pad_; }
  [[nodiscard]] std::optional<std::int32_t> mask_id() const { return mask_; }
  /// True if a normalizer turns the text into lower case.
  [[nodiscard]] bool lowers_case() const { return lowers_case(normalizers_); }
  /// The options of BERT's pipeline, or nullptr for any other.
  [[nodiscard]] const normalizer_options* bert_options() const { return bert_ ? &*bert_ : nullptr; }
  /// The type id of the second text of a pair: 1, or 0 for models without segment ids.
  [[nodiscard]] std::int32_t second_type() const {
    for (const detail::template_piece& p : specials_.pair)
      if (p.kind == detail::template_kind::second_text) return p.type_id;
    return 0;
  }

 private:
  // Collects the tokens of one text. Stops like the reference after the word that reaches the
  // limit, which affects the lengths that longest_first sees for long pairs.
  struct token_sink {
    const tokenizer& owner;
    std::string_view original;
    encoding& out;
    std::int32_t type_id;
    std::size_t limit;
    std::size_t first = out.ids.size();
    std::int32_t word = 0;
    bool stopped = false;
    std::vector<detail::word_piece> pieces{};
    std::vector<std::uint64_t> hashes{};

    [[nodiscard]] bool done() const { return stopped; }

    // A word of BERT's pre-tokenizer.
    void operator()(const detail::text_word& w) {
      if (w.characters > owner.max_word_characters_ ||
          !owner.vocabulary_.split(w.text, pieces, hashes)) {
        push(owner.unk_, w.origins.front(), w.last_origin);
      } else {
        for (const auto& p : pieces) push(p.id, w.origins[p.begin], w.origins[p.end - 1]);
      }
      end_word();
    }

    void end_word() {
      ++word;
      stopped = out.ids.size() - first >= limit;
    }

    void push(std::int32_t id, std::size_t first_origin, std::size_t last_origin) {
      const std::size_t end = last_origin + detail::utf8_length(original[last_origin]);
      detail::append_token(out, id, type_id, {first_origin, end}, word);
    }

    void push_trimmed(std::int32_t id, std::string_view token, text_span at) {
      for (const detail::offset_trimmer& t : owner.trimmers_)
        at = t.trim(token, original, at, out.ids.size() == first);
      detail::append_token(out, id, type_id, at, word);
    }

    void push_added(std::int32_t id, std::string_view token, text_span at) {
      if (done()) return;
      push_trimmed(id, token, at);
      ++word;
    }
  };

  tokenizer() = default;

  [[nodiscard]] static bool lowers_case(const std::vector<detail::normalizer_step>& steps) {
    return std::any_of(steps.begin(), steps.end(), [](const auto& step) {
      const auto* bert = std::get_if<detail::bert_normalizer>(&step);
      return bert != nullptr ? bert->options.lower_case
                             : std::holds_alternative<detail::lowercase_normalizer>(step);
    });
  }

  static result<tokenizer> make(detail::tokenizer_parts parts) {
    LOWBIT_TRY(detail::check_steps(parts));
    const auto* wordpiece = std::get_if<detail::wordpiece_model::options>(&parts.model);
    std::optional<std::string_view> prefix;
    tokenizer t;
    if (wordpiece != nullptr) {
      t.prefix_ = wordpiece->prefix;
      prefix = t.prefix_;
    }
    LOWBIT_TRY_ASSIGN(auto vocabulary,
                      detail::vocabulary::make(std::move(parts.tokens), parts.model_size, prefix));
    t.vocabulary_ = std::move(vocabulary);
    if (wordpiece != nullptr && !t.id(parts.unknown))
      return status::error(errc::malformed, "vocabulary: no token '", parts.unknown,
                           "', expected one");
    LOWBIT_TRY_ASSIGN(
        auto model, detail::make_model(std::move(parts.model), t.vocabulary_, t.id(parts.unknown)));
    t.model_ = std::move(model);
    t.normalizers_ = std::move(parts.normalizers);
    t.pre_tokenizers_ = std::move(parts.pre_tokenizers);
    t.trimmers_ = std::move(parts.trimmers);
    t.specials_ = std::move(parts.specials);
    for (auto* pieces : {&t.specials_.single, &t.specials_.pair}) {
      LOWBIT_TRY(detail::find_specials(*pieces, t.vocabulary_));
      if (!parts.has_type_ids)
        for (detail::template_piece& p : *pieces) p.type_id = 0;
    }
    t.find_bert_pipeline();
    t.unk_ = t.id(parts.unknown).value_or(-1);
    t.cls_ = t.id(parts.classifier).value_or(-1);
    t.sep_ = t.id(parts.separator).value_or(-1);
    // A tokenizer.json alone does not say which tokens have these roles.
    t.pad_ = t.id(t.id(parts.padding) ? parts.padding : "<pad>");
    t.mask_ = t.id(t.id(parts.mask) ? parts.mask : "<mask>");
    LOWBIT_TRY(t.make_matchers(std::move(parts.added)));
    return t;
  }

  // BERT's own pipeline runs as a stream, character by character, which is faster.
  void find_bert_pipeline() {
    const auto* model = std::get_if<detail::wordpiece_model>(&model_);
    if (model == nullptr || normalizers_.size() != 1 || pre_tokenizers_.size() != 1 ||
        !trimmers_.empty())
      return;
    const auto* normalizer = std::get_if<detail::bert_normalizer>(&normalizers_.front());
    if (normalizer == nullptr ||
        !std::holds_alternative<detail::bert_pre_tokenizer>(pre_tokenizers_.front()))
      return;
    bert_ = normalizer->options;
    max_word_characters_ = model->max_characters();
  }

  [[nodiscard]] status make_matchers(std::vector<detail::added_token> added) {
    std::vector<detail::added_token> exact, normalized;
    for (detail::added_token& a : added) {
      const auto id = vocabulary_.id(a.content);
      LOWBIT_EXPECTS(id.has_value());
      a.id = *id;
      if (a.normalized) {
        auto n = part_of(a.content, 0, a.content.size());
        detail::normalize(normalizers_, n);
        if (n.text.empty())
          return status::error(errc::unsupported, "added token '", a.content,
                               "': nothing is left of it after normalization");
        a.content = std::move(n.text);
      }
      (a.normalized ? normalized : exact).push_back(std::move(a));
    }
    LOWBIT_TRY_ASSIGN(added_, detail::added_token_matcher::make(std::move(exact)));
    LOWBIT_TRY_ASSIGN(normalized_added_, detail::added_token_matcher::make(std::move(normalized)));
    return {};
  }

  [[nodiscard]] static status too_few(std::size_t found, std::size_t expected) {
    return status::error(errc::invalid_argument, "max_tokens: ", found, ", expected at least ",
                         expected, " for the special tokens");
  }

  static void append_specials(encoding& e, const detail::template_piece& p) {
    for (const std::int64_t id : p.ids)
      detail::append_token(e, static_cast<std::int32_t>(id), p.type_id, {}, -1);
  }

  /// text[begin, end) with each byte's offset in `text`.
  [[nodiscard]] static detail::normalized_text part_of(std::string_view text, std::size_t begin,
                                                       std::size_t end) {
    detail::normalized_text n;
    n.text.assign(text, begin, end - begin);
    n.origins.resize(end - begin);
    std::size_t start = begin;
    for (std::size_t at = begin; at < end; ++at) {
      if (!detail::is_continuation_byte(text[at])) start = at;
      n.origins[at - begin] = start;
    }
    return n;
  }

  [[nodiscard]] status append_text(encoding& e, std::string_view text, std::int32_t type_id,
                                   std::size_t limit) const {
    if (const auto at = detail::find_invalid_utf8(text))
      return status::error(errc::malformed, "text: not valid UTF-8 at byte ", *at);
    detail::reserve(e, std::min(limit, text.size() / 4 + 8));  // about what a sentence has
    token_sink sink{*this, text, e, type_id, limit};
    detail::word_splitter words(sink, max_word_characters_);
    const auto stretch = [&](std::size_t begin, std::size_t end) {
      if (sink.done()) return;
      if (!bert_) return append_stretch(sink, begin, end);
      if (!normalized_added_.empty()) return append_normalized(sink, words, begin, end);
      detail::normalize(text, begin, end, *bert_, words);
      words.finish();
    };
    added_.split(text, stretch,
                 [&](const detail::added_token& t, std::size_t begin, std::size_t end) {
                   sink.push_added(t.id, text.substr(begin, end - begin), {begin, end});
                 });
    return {};
  }

  // BERT's pipeline, with added tokens that match normalized text and need all of it at once.
  void append_normalized(token_sink& sink, detail::word_splitter<token_sink>& words,
                         std::size_t begin, std::size_t end) const {
    detail::normalized_text n;
    detail::normalize(sink.original, begin, end, *bert_, n);
    split_normalized(sink, n, [&](std::size_t b, std::size_t e) {
      for (std::size_t at = b; at < e && !sink.done(); at += detail::utf8_length(n.text[at]))
        words(detail::decode_utf8(n.text, at), n.origins[at]);
      words.finish();
    });
  }

  // Any other pipeline.
  void append_stretch(token_sink& sink, std::size_t begin, std::size_t end) const {
    auto n = part_of(sink.original, begin, end);
    detail::normalize(normalizers_, n);
    split_normalized(sink, n, [&](std::size_t b, std::size_t e) {
      if (sink.done()) return;
      detail::text_pieces t;
      if (b == 0 && e == n.text.size()) {
        t.text = std::move(n);
      } else {
        t.text.text.assign(n.text, b, e - b);
        t.text.origins.assign(n.origins.begin() + static_cast<std::ptrdiff_t>(b),
                              n.origins.begin() + static_cast<std::ptrdiff_t>(e));
      }
      t.pieces.push_back({0, t.text.text.size()});
      detail::pre_tokenize(pre_tokenizers_, t);
      std::visit([&](const auto& model) { append_words(sink, model, t); }, model_);
    });
  }

  template <class Stretch>
  void split_normalized(token_sink& sink, const detail::normalized_text& n,
                        Stretch&& stretch) const {
    normalized_added_.split(n.text, stretch,
                            [&](const detail::added_token& t, std::size_t b, std::size_t e) {
                              sink.push_added(t.id, std::string_view(n.text).substr(b, e - b),
                                              span_of(sink.original, n, b, e));
                            });
  }

  template <class Model>
  void append_words(token_sink& sink, const Model& model, const detail::text_pieces& t) const {
    typename Model::scratch memory;
    for (const text_span& piece : t.pieces) {
      if (sink.done()) return;
      const std::string_view word =
          std::string_view(t.text.text).substr(piece.begin, piece.end - piece.begin);
      model.split(vocabulary_, word, sink.pieces, memory);
      for (const detail::word_piece& p : sink.pieces) {
        sink.push_trimmed(
            p.id, vocabulary_.token(p.id),
            span_of(sink.original, t.text, piece.begin + p.begin, piece.begin + p.end));
      }
      sink.end_word();
    }
  }

  /// The original bytes that n.text[begin, end) comes from.
  [[nodiscard]] static text_span span_of(std::string_view original,
                                         const detail::normalized_text& n, std::size_t begin,
                                         std::size_t end) {
    const std::size_t last = n.origins[end - 1];
    return {n.origins[begin], last + detail::utf8_length(original[last])};
  }

  detail::vocabulary vocabulary_;
  std::string prefix_;  // of WordPiece's continuations
  detail::added_token_matcher added_, normalized_added_;
  std::vector<detail::normalizer_step> normalizers_;
  std::vector<detail::pre_tokenizer_step> pre_tokenizers_;
  detail::word_model model_;
  std::vector<detail::offset_trimmer> trimmers_;
  detail::token_template specials_;
  std::optional<normalizer_options> bert_;  // BERT's pipeline
  std::size_t max_word_characters_ = 100;
  std::int32_t unk_ = -1, cls_ = -1, sep_ = -1;
  std::optional<std::int32_t> pad_, mask_;
};

}  // namespace lowbit::inline LOWBIT_ISA
