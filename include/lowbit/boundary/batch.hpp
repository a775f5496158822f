// SPDX-License-Identifier: Apache-2.0
// A batch of tokens. Plain data, outside the per-ISA namespaces.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lowbit/core/config.hpp"
#include "lowbit/tensor/matrix_view.hpp"

namespace lowbit {

/// Sentences stored back to back: sentence s holds tokens [offsets[s], offsets[s + 1]).
struct token_batch {
  const std::uint32_t* offsets = nullptr;  // (sentences + 1), offsets[0] = 0
  std::size_t sentences = 0;
  /// Number of unpadded tokens per sentence; null if nothing is padded. Only encoders whose
  /// quantization ranges span a padded batch accept it.
  const std::uint32_t* valid = nullptr;  // (sentences) or null

  [[nodiscard]] LOWBIT_INLINE constexpr std::size_t begin(std::size_t s) const {
    return offsets[s];
  }
  [[nodiscard]] LOWBIT_INLINE constexpr std::size_t length(std::size_t s) const {
    return offsets[s + 1] - offsets[s];
  }
  [[nodiscard]] LOWBIT_INLINE constexpr std::size_t tokens() const {
    return sentences == 0 ? 0 : offsets[sentences];
  }
  [[nodiscard]] LOWBIT_INLINE constexpr std::size_t valid_length(std::size_t s) const {
    return valid == nullptr ? length(s) : valid[s];
  }
};

/// The limits that determine the size of a workspace.
struct batch_limits {
  std::size_t tokens = 0;  ///< total over all sentences
  std::size_t sentences = 0;
  std::size_t longest = 0;  ///< tokens of the longest sentence
  std::size_t workers = 1;
};

/// The tokens of a batch. Null type_ids means all 0; null positions means 0, 1, 2, .. in every
/// sentence.
struct token_input {
  const std::int32_t* ids = nullptr;        // (T)
  const std::int32_t* type_ids = nullptr;   // (T) or null
  const std::int32_t* positions = nullptr;  // (T) or null
  token_batch batch;
  /// Token rows (each < T) for which a masked language model predicts words; ignored by other
  /// heads.
  vector_view<const std::uint32_t> masked{};
};

}  // namespace lowbit
