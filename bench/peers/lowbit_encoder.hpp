// SPDX-License-Identifier: Apache-2.0
// lowbit's side of the encoder contests: a float checkpoint of random weights, opened under a
// policy like any other folder, so new library policies need no changes here.
#pragma once

#include "session.hpp"

namespace lowbit_bench {

/// Writes random f32 weights of this shape as a Hugging Face folder, replacing existing files.
lowbit::status write_checkpoint(const lowbit::canonical_model& model, const std::string& folder);

/// Writes random weights of this shape as a packed folder, replacing existing files.
lowbit::status write_packed(const lowbit::model_shape& shape, const std::string& policy,
                            const std::string& folder);

/// The checkpoint under a policy that it was not trained for, without the warning about that. A run
/// returns the mean of all hidden states: with a classifier, which reads only first tokens, the
/// last layer would skip the other tokens, which the peers do not.
lowbit::result<lowbit_tool::session> open_policy(const std::string& folder,
                                                 const std::string& policy, const std::string& arch,
                                                 std::size_t threads);

/// Sentences for the contests, with ids spread over the vocabulary.
lowbit_tool::token_rows make_sentences(const std::vector<std::size_t>& lengths,
                                       std::size_t vocabulary);

/// The hidden states (T, D) after the last layer of one run.
lowbit::result<std::vector<float>> hidden_states(lowbit_tool::session& session,
                                                 const lowbit_tool::token_rows& rows);

}  // namespace lowbit_bench
