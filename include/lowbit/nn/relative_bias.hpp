// SPDX-License-Identifier: Apache-2.0
// A bias of attention scores that depends on the head and on the distance of key and query (T5,
// MPNet): near distances have a row of the stored table each, far ones share rows that widen with
// the logarithm of the distance. Loaded as one row of floats per head, so that sixteen neighbouring
// keys are one load.
#pragma once

#include "lowbit/boundary/parts.hpp"
#include "lowbit/nn/attention.hpp"
#include "lowbit/nn/layer_norm.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// The row of the table for a key `distance` tokens after the query. In integers, so the same
/// everywhere; for every distance equal to relative_position_bucket() of Hugging Face's MPNet.
[[nodiscard]] constexpr std::size_t relative_bucket(std::ptrdiff_t distance) {
  constexpr std::size_t side = relative_buckets / 2;  // keys before the query, and after it
  constexpr std::size_t exact = side / 2;
  const std::size_t first = distance > 0 ? side : 0;
  const auto n = static_cast<std::size_t>(distance > 0 ? distance : -distance);
  if (n < exact) return first + n;
  // exact + 2 log2(n / exact) rounded down: sixteen times as far, at 128, the rows are used up
  std::size_t bucket = exact;
  for (std::size_t square = 2 * exact * exact; bucket + 1 < side && n * n >= square; square *= 2)
    ++bucket;
  return first + bucket;
}

template <class Arch>
class relative_bias {
 public:
  [[nodiscard]] explicit operator bool() const { return heads_ != 0; }

  constexpr status load(arena& memory, const weight_set& weights, const model_shape& shape) {
    heads_ = shape.heads;
    by_distance_ = memory.take_matrix<float>(heads_, width, width);
    if (!memory.fills()) return {};
    stored_tensor table;
    LOWBIT_TRY(weights.get(part_name(model_part::relative_bias)(".weight").view(),
                           element_type::f32, relative_buckets, heads_, table));
    for (std::size_t head = 0; head < heads_; ++head) {
      for (std::size_t i = 0; i < width; ++i) {
        const std::size_t bucket = relative_bucket(static_cast<std::ptrdiff_t>(i) - lowest);
        by_distance_(head, i) = table.at(bucket * heads_ + head);
      }
    }
    return {};
  }

  /// scores (queries, T) = scores * scale + bias, for the queries of a span.
  void add(const query_span& span, const query_blocks& blocks, std::size_t head, float scale,
           matrix_view<float> scores) const {
    using f = f32x16<Arch>;
    const std::size_t begin = blocks.batch.begin(span.sentence);
    const float* const bias = by_distance_.row(head) + lowest;
    for (std::size_t r = 0; r < span.count; ++r) {
      const std::size_t query = blocks.first_token_only ? 0 : span.first + r - begin;
      float* const row = scores.row(r);
      const store out{{row, 1, scores.cols, scores.cols}};
      for (std::size_t j = 0; j < scores.cols; j += virtual_lanes) {
        auto distance = static_cast<std::ptrdiff_t>(j) - static_cast<std::ptrdiff_t>(query);
        // Farther away, all sixteen keys have the bias of the farthest distance.
        distance = distance < -lowest ? -lowest : distance > farthest ? farthest : distance;
        out(fma(load_row<Arch>(row, j, scores.cols), f::broadcast(scale), f::load(bias + distance)),
            0, j);
      }
    }
  }

 private:
  static constexpr std::ptrdiff_t farthest = 91;  // from here on the bucket is the last one
  static_assert(relative_bucket(farthest) == relative_buckets - 1 &&
                relative_bucket(farthest - 1) == relative_buckets - 2);
  /// by_distance_ begins at -lowest and ends at `lowest`: sixteen keys whose first or last is at
  /// the farthest distance.
  static constexpr std::ptrdiff_t lowest =
      farthest + static_cast<std::ptrdiff_t>(virtual_lanes) - 1;
  static constexpr std::size_t width = 2 * static_cast<std::size_t>(lowest) + 1;

  std::size_t heads_ = 0;
  matrix_view<float> by_distance_;  // (H, width)
};

}  // namespace lowbit::inline LOWBIT_ISA
