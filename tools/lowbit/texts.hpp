// SPDX-License-Identifier: Apache-2.0
// Sentences from the command line or standard input, and their encoding for a model.
#pragma once

#include <string>
#include <vector>

#include "lowbit/text/spans.hpp"
#include "session.hpp"

namespace lowbit_tool {

/// The arguments, or the lines of standard input where there are none, empty ones, too: each has
/// its answer.
lowbit::result<std::vector<std::string>> read_texts(const std::vector<std::string>& arguments);

/// The tokenizer of a model folder, whose vocabulary must be the model's.
lowbit::result<lowbit::wordpiece_tokenizer> open_tokenizer(const std::string& folder,
                                                           const lowbit::model_config& config);

/// Encodes one text, or two separated by a tab when `pairs`. A text longer than the model takes is
/// an error unless `truncate`.
lowbit::result<lowbit::encoding> encode_text(const lowbit::wordpiece_tokenizer& tokenizer,
                                             const std::string& text, std::size_t positions,
                                             bool pairs, bool truncate);
/// The same as one more sentence of a batch.
lowbit::status add_text(const lowbit::wordpiece_tokenizer& tokenizer, const std::string& text,
                        std::size_t positions, bool pairs, bool truncate, token_rows& rows);

/// The lines of a text file, encoded in batches of a few sentences; longer lines are cut.
/// Errors: not_found; malformed for a line that is not UTF-8; invalid_argument for a file without
/// text
lowbit::result<std::vector<token_rows>> read_batches(const lowbit::wordpiece_tokenizer& tokenizer,
                                                     const std::string& path,
                                                     std::size_t positions);

/// A word with the most probable label of its first piece; `logits` are those of its sentence.
std::vector<lowbit::labelled_word> label_words(const std::vector<std::string>& names,
                                               const std::vector<lowbit::word_pieces>& words,
                                               const float* logits);

/// softmax of one row of logits, for display.
std::vector<float> probabilities(const float* logits, std::size_t labels);
/// The index of the largest logit, the first of equals.
std::size_t largest(const float* logits, std::size_t labels);

}  // namespace lowbit_tool
