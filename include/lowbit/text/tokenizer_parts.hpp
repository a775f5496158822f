// SPDX-License-Identifier: Apache-2.0
// What a tokenizer is made of, before anything is checked: the one form into which every file
// format is read, so that the tokenizer itself never sees JSON.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "lowbit/text/added_tokens.hpp"
#include "lowbit/text/normalizer.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

struct tokenizer_parts {
  std::vector<std::string> tokens;  ///< by id; the model's own first, then added ones
  std::size_t model_size = 0;       ///< tokens that may stand inside a word
  std::vector<added_token> added;   ///< their ids follow from `tokens`
  normalizer_options normalizer;
  std::string unknown = "[UNK]", classifier = "[CLS]", separator = "[SEP]";  ///< required
  std::string padding = "[PAD]", mask = "[MASK]";  ///< optional in the vocabulary
  std::string prefix = "##";
  std::size_t max_word_characters = 100;  ///< a longer word is unknown
  bool has_type_ids = true;               ///< the second text of a pair has type 1, else 0
};

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
