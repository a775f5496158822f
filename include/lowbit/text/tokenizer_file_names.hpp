// SPDX-License-Identifier: Apache-2.0
// The tokenizer files of a Hugging Face model folder, for code that copies them without reading
// them.
#pragma once

#include <array>

#include "lowbit/core/config.hpp"

namespace lowbit::inline LOWBIT_ISA {

inline constexpr std::array<const char*, 9> tokenizer_file_names = {"vocab.txt",
                                                                    "vocab.json",
                                                                    "merges.txt",
                                                                    "sentencepiece.bpe.model",
                                                                    "spiece.model",
                                                                    "tokenizer.json",
                                                                    "tokenizer_config.json",
                                                                    "special_tokens_map.json",
                                                                    "added_tokens.json"};

}  // namespace lowbit::inline LOWBIT_ISA
