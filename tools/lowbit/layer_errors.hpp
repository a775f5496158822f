// SPDX-License-Identifier: Apache-2.0
// Difference of the hidden states of two models of the same shape, layer by layer: accumulated
// (each model runs on its own) and alone (each layer of the second runs on the first model's
// input).
#pragma once

#include <vector>

#include "session.hpp"

namespace lowbit_tool {

/// Error measures between two sets of values.
struct signal_error {
  double cosine = 0;   ///< of all values as one vector
  double largest = 0;  ///< largest absolute difference
  double noise = 0;    ///< energy of the difference / energy of the reference

  /// Signal-to-noise ratio in decibels; infinite for equal values.
  [[nodiscard]] double decibels() const;
};

/// Accumulates errors over batches.
class error_sum {
 public:
  void add(const std::vector<float>& reference, const std::vector<float>& other);
  [[nodiscard]] signal_error get() const;

 private:
  double dot_ = 0, reference_ = 0, other_ = 0, difference_ = 0, largest_ = 0;
};

struct layer_errors {
  std::vector<signal_error> accumulated;  ///< (L + 1): embeddings, then after each layer
  std::vector<signal_error> alone;        ///< (L + 1): embeddings, then each layer alone
};

/// Hidden states of a batch after every layer, (L + 1) x (tokens, D).
lowbit::result<std::vector<std::vector<float>>> hidden_rows_of(session& model,
                                                               const token_rows& rows);

/// Errors: invalid_argument for models of different shapes, or for a policy whose layers cannot run
/// alone
lowbit::result<layer_errors> compare_layers(session& reference, session& other,
                                            const std::vector<token_rows>& batches);

}  // namespace lowbit_tool
