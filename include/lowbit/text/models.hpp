// SPDX-License-Identifier: Apache-2.0
// The models of tokenizer.json: each splits a word, a piece from the pre-tokenizer, into tokens of
// the vocabulary. A model has `options`, as a file describes it, `make`, and `split`.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/text/bpe_model.hpp"
#include "lowbit/text/unicode.hpp"
#include "lowbit/text/unigram_model.hpp"
#include "lowbit/text/vocabulary.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// BERT's model: the longest known pieces from the left, or one unknown token.
class wordpiece_model {
 public:
  struct options {
    std::string prefix = "##";
    std::size_t max_characters = 100;  ///< a longer word becomes the unknown token
  };
  /// Memory of one call of split().
  struct scratch {
    std::vector<std::uint64_t> hashes;
  };

  /// `unknown`: the token with that role. Errors: malformed without one
  static result<wordpiece_model> make(options o, const vocabulary&,
                                      std::optional<std::int32_t> unknown) {
    if (!unknown) return status::error(errc::malformed, "unk_token: none, expected one");
    wordpiece_model m;
    m.unknown_ = *unknown;
    m.max_characters_ = o.max_characters;
    return m;
  }

  [[nodiscard]] std::size_t max_characters() const { return max_characters_; }

  /// Requires: `word` is valid UTF-8 and not empty
  void split(const vocabulary& words, std::string_view word, std::vector<word_piece>& out,
             scratch& s) const {
    std::size_t characters = 0;
    for (const char c : word) characters += is_continuation_byte(c) ? 0 : 1;
    if (characters <= max_characters_ && words.split(word, out, s.hashes)) return;
    out.assign(1, {unknown_, 0, word.size()});
  }

 private:
  std::int32_t unknown_ = 0;
  std::size_t max_characters_ = 100;
};

using model_options =
    std::variant<wordpiece_model::options, bpe_model::options, unigram_model::options>;
using word_model = std::variant<wordpiece_model, bpe_model, unigram_model>;

[[nodiscard]] inline result<word_model> make_model(model_options options, const vocabulary& words,
                                                   std::optional<std::int32_t> unknown) {
  const auto make = [&]<class Model>(std::type_identity<Model>, auto&& o) -> result<word_model> {
    LOWBIT_TRY_ASSIGN(auto made, Model::make(std::move(o), words, unknown));
    return word_model(std::move(made));
  };
  if (auto* o = std::get_if<wordpiece_model::options>(&options))
    return make(std::type_identity<wordpiece_model>(), std::move(*o));
  if (auto* o = std::get_if<unigram_model::options>(&options))
    return make(std::type_identity<unigram_model>(), std::move(*o));
  return make(std::type_identity<bpe_model>(), std::move(std::get<bpe_model::options>(options)));
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
