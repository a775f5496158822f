// SPDX-License-Identifier: Apache-2.0
// The unvalidated description of a tokenizer, common to all file formats, so that the tokenizer
// itself does not depend on JSON.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "lowbit/text/added_tokens.hpp"
#include "lowbit/text/normalizer.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

struct tokenizer_parts {
  std::vector<std::string> tokens;  ///< by id; those of the model first, then added ones
  std::size_t model_size = 0;       ///< number of tokens that can match inside a word
  std::vector<added_token> added;   ///< their ids are their positions in `tokens`
  normalizer_options normalizer;
  std::string unknown = "[UNK]", classifier = "[CLS]", separator = "[SEP]";  ///< required
  std::string padding = "[PAD]", mask = "[MASK]";  ///< optional in the vocabulary
  std::string prefix = "##";
  std::size_t max_word_characters = 100;  ///< a longer word becomes the unknown token
  bool has_type_ids = true;  ///< type ids distinguish the texts of a pair; otherwise all 0
};

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
