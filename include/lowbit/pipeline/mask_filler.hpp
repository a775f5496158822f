// SPDX-License-Identifier: Apache-2.0
// The most probable tokens for each [MASK] of a text.
#pragma once

#include <numeric>

#include "lowbit/pipeline/text_model.hpp"

namespace lowbit::inline LOWBIT_ISA {

struct mask_candidate {
  std::string token;
  token_text part;  // as a part of a text
  std::size_t id = 0;
  float probability = 0;
  float logit = 0;
};

struct filled_mask {
  text_span at;                            // bytes of the text
  std::vector<mask_candidate> candidates;  // best first
};

/// `text` with the mask replaced; a token that continues a word is joined to the text before it.
[[nodiscard]] inline std::string with_token(const std::string& text, const text_span& mask,
                                            const token_text& token) {
  std::size_t begin = mask.begin;
  while (begin < mask.end && text[begin] == ' ') ++begin;  // a mask may take the space before it
  if (token.continues) {
    while (begin > 0 && text[begin - 1] == ' ') --begin;
  }
  return text.substr(0, begin) + token.text + text.substr(mask.end);
}

/// A text as a batch of its own, and where its masks are.
struct masked_text {
  token_rows rows;
  std::vector<text_span> masks;
  bool truncated = false;
};

/// Policy: of the library or any_policy. Const functions may run concurrently.
template <class Policy, class Arch = native>
class mask_filler {
  using runner = typename runner_of<Policy, head_kind::masked_lm, Arch>::type;

 public:
  /// Errors: invalid_argument for a folder of another policy, scheme or head; not_found for a
  ///         tokenizer without a mask token; all of open_model
  static result<mask_filler> load(const model_files& folder, const open_options& options = {}) {
    LOWBIT_TRY_ASSIGN(auto parts, text_model<runner>::load(folder, head_kind::masked_lm, options));
    const auto mask = parts.tokenizer().mask_id();
    if (mask) return mask_filler(std::move(parts), *mask);
    return status::error(errc::not_found, folder.native(), ": the tokenizer has no mask token, ",
                         "expected [MASK] in its vocabulary");
  }

  /// The masks of a text in order, each with the `count` most probable tokens. A text without one
  /// has none; a text longer than the model's limit is truncated.
  /// Errors: malformed for invalid UTF-8; not_finite if the run overflows
  result<std::vector<filled_mask>> fill(std::string_view text, std::size_t count = 5) const {
    serial here;
    LOWBIT_TRY_ASSIGN(const auto masked, encode(text));
    return fill_encoded(masked, count, here);
  }
  [[nodiscard]] result<masked_text> encode(std::string_view text) const {
    return detail::without_exceptions(parts_.folder().native(), [&]() -> result<masked_text> {
      LOWBIT_TRY_ASSIGN(const auto encoded, parts_.encode(text));
      masked_text out;
      out.truncated = encoded.truncated;
      out.rows.add(encoded.ids, encoded.type_ids);
      for (std::size_t t = 0; t < encoded.ids.size(); ++t) {
        if (encoded.ids[t] != mask_) continue;
        out.rows.masked.push_back(static_cast<std::uint32_t>(t));
        out.masks.push_back(encoded.offsets[t]);
      }
      return out;
    });
  }
  template <executor Executor>
  result<std::vector<filled_mask>> fill_encoded(const masked_text& text, std::size_t count,
                                                Executor& threads,
                                                run_memory* memory = nullptr) const {
    return detail::without_exceptions(
        parts_.folder().native(), [&]() -> result<std::vector<filled_mask>> {
          std::vector<filled_mask> out;
          if (text.masks.empty()) return out;
          LOWBIT_TRY_ASSIGN(const auto logits, parts_.run(text.rows, threads, memory));
          const std::size_t vocabulary = parts_.shape().vocabulary;
          for (std::size_t m = 0; m < text.masks.size(); ++m)
            out.push_back({text.masks[m], best(logits.data() + m * vocabulary, count)});
          return out;
        });
  }

  [[nodiscard]] std::string_view mask_token() const { return parts_.tokenizer().token(mask_); }
  [[nodiscard]] const text_model<runner>& parts() const { return parts_; }
  [[nodiscard]] const std::vector<std::string>& warnings() const { return parts_.warnings(); }

 private:
  mask_filler(text_model<runner> parts, std::int32_t mask)
      : parts_(std::move(parts)), mask_(mask) {}

  [[nodiscard]] std::vector<mask_candidate> best(const float* logits, std::size_t count) const {
    const std::size_t vocabulary = parts_.shape().vocabulary;
    const std::size_t top = std::min(count, vocabulary);
    std::vector<std::size_t> order(vocabulary);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(top), order.end(),
                      [&](std::size_t a, std::size_t b) {
                        return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
                      });
    const std::vector<float> p = probabilities(logits, vocabulary);
    std::vector<mask_candidate> out;
    for (std::size_t i = 0; i < top; ++i) {
      const std::size_t id = order[i];
      const tokenizer& words = parts_.tokenizer();
      std::string name = parts_.token_name(id);
      token_text part = id < words.vocabulary_size() ? words.text_of(static_cast<std::int32_t>(id))
                                                     : token_text{name};
      out.push_back({std::move(name), std::move(part), id, p[id], logits[id]});
    }
    return out;
  }

  text_model<runner> parts_;
  std::int32_t mask_;
};

}  // namespace lowbit::inline LOWBIT_ISA
