// SPDX-License-Identifier: Apache-2.0
// Compact embeddings and search: one-bit codes compared by Hamming distance, int8 codes by dot
// product. Plain loops over the caller's memory, independent of any model: the input is a row of
// floats.
#pragma once

#include "lowbit/core/bits.hpp"
#include "lowbit/core/status.hpp"
#include "lowbit/tensor/matrix_view.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Bit c = e[c] < 0, in words_for(e.count) words with clear pad bits (docs/numerics.md#codes: bit 1
/// means -1). The dot product of the signs is D - 2 * distance.
inline void encode_one_bit(vector_view<const float> e, word* code) {
  for (std::size_t w = 0; w < words_for(e.count); ++w) code[w] = 0;
  for (std::size_t c = 0; c < e.count; ++c)
    code[c / word_bits] |= static_cast<word>(e[c] < 0.0F ? 1 : 0) << (c % word_bits);
}

/// code[c] = e[c] / scale rounded half to even, in -127 .. 127; returns scale = max |e| / 127. A
/// row of zeros has scale and codes 0.
inline float encode_int8(vector_view<const float> e, std::int8_t* code) {
  float largest = 0.0F;
  for (std::size_t c = 0; c < e.count; ++c) {
    const float magnitude = e[c] < 0.0F ? -e[c] : e[c];
    if (magnitude > largest) largest = magnitude;
  }
  const float scale = largest / 127.0F;
  constexpr float shifter = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer
  for (std::size_t c = 0; c < e.count; ++c) {
    float n = scale > 0.0F ? e[c] / scale : 0.0F;
    n = n < 127.0F ? n : 127.0F;  // exceeded by a subnormal scale or NaN
    n = n > -127.0F ? n : -127.0F;
    code[c] = static_cast<std::int8_t>(static_cast<std::int32_t>((n + shifter) - shifter));
  }
  return scale;
}

/// The index of a stored row and its distance or score.
template <class Measure>
struct neighbour {
  std::size_t index = 0;
  Measure measure{};
};

namespace detail {

/// Keeps the first `out.count` elements in the order of `before`; equal ones stay in insertion
/// order.
template <class Measure, class Before>
class nearest {
 public:
  nearest(vector_view<neighbour<Measure>> out, Before before) : out_(out), before_(before) {}

  void offer(std::size_t index, Measure measure) {
    if (out_.count == 0) return;
    if (found_ == out_.count && !before_(measure, out_[found_ - 1].measure)) return;
    if (found_ < out_.count) ++found_;
    std::size_t at = found_ - 1;
    for (; at > 0 && before_(measure, out_[at - 1].measure); --at) out_[at] = out_[at - 1];
    out_[at] = {index, measure};
  }
  [[nodiscard]] std::size_t found() const { return found_; }

 private:
  vector_view<neighbour<Measure>> out_;
  Before before_;
  std::size_t found_ = 0;
};

}  // namespace detail

/// Number of differing bits of two codes of `words` words.
[[nodiscard]] constexpr std::uint32_t hamming_distance(const word* a, const word* b,
                                                       std::size_t words) {
  std::uint32_t distance = 0;
  for (std::size_t w = 0; w < words; ++w)
    distance += static_cast<std::uint32_t>(std::popcount(a[w] ^ b[w]));
  return distance;
}

/// Finds the nearest rows of `codes` by Hamming distance, nearest first, ties by lower index;
/// returns their number, min(nearest.count, codes.rows).
///
/// Shapes:   codes (rows, words), query (words), nearest (k)
/// Cost:     rows * words xor+popcount, and k steps for each row that enters the list
inline std::size_t hamming_search(matrix_view<const word> codes, const word* query,
                                  vector_view<neighbour<std::uint32_t>> nearest) {
  detail::nearest list(nearest, [](std::uint32_t a, std::uint32_t b) { return a < b; });
  for (std::size_t r = 0; r < codes.rows; ++r)
    list.offer(r, hamming_distance(codes.row(r), query, codes.cols));
  return list.found();
}

/// Finds the rows of int8 codes with the largest dot product scale_r (code_r . query), largest
/// first, ties by lower index. The scale of the query does not affect the order and is omitted.
/// Returns their number.
///
/// Shapes:   codes (rows, D), scales (rows), query (D), nearest (k)
/// Requires: D <= 2^17, so that the sum fits in 32 bits
inline std::size_t int8_search(matrix_view<const std::int8_t> codes,
                               vector_view<const float> scales, const std::int8_t* query,
                               vector_view<neighbour<float>> nearest) {
  LOWBIT_EXPECTS(codes.cols <= std::size_t{1} << 17 && scales.count >= codes.rows);
  detail::nearest list(nearest, [](float a, float b) { return a > b; });
  for (std::size_t r = 0; r < codes.rows; ++r) {
    std::int32_t sum = 0;
    const std::int8_t* row = codes.row(r);
    for (std::size_t c = 0; c < codes.cols; ++c)
      sum += static_cast<std::int32_t>(row[c]) * static_cast<std::int32_t>(query[c]);
    list.offer(r, scales[r] * static_cast<float>(sum));
  }
  return list.found();
}

}  // namespace lowbit::inline LOWBIT_ISA
