// SPDX-License-Identifier: Apache-2.0
// Cost of one format: the type of multiply-add of a linear_format, the stored size of a matrix, and
// the products of the three kinds of attention. Everything is derived from the types; a codec needs
// bits_per_weight and row_bytes(k), and scales(n, k) if it has scales.
#pragma once

#include "lowbit/cost/counts.hpp"
#include "lowbit/policy/policy.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// The papers' rule for products: an m-bit x n-bit multiply-add costs m n / 64 of an f32 one, but
/// at most one. This reproduces the published FLOPs of BiBERT and its predecessors (1 bit x 1 bit:
/// 1/64; 1 x 4: 4/64; 8 x 8: 1).
[[nodiscard]] constexpr double papers_share(double weight_bits, double input_bits) {
  const double share = weight_bits * input_bits / 64.0;
  return share < 1.0 ? share : 1.0;
}

/// `macs` multiply-adds of Op in the matching field; `dense` is their number if zeros were not
/// skipped.
template <class Op>
[[nodiscard]] constexpr operation_counts macs_of(std::uint64_t macs, std::uint64_t dense) {
  operation_counts counts;
  counts.dense_macs = dense;
  if constexpr (std::is_same_v<typename Op::activation, float>) {
    counts.f32_macs = macs;
  } else if constexpr (std::is_base_of_v<counting_op, Op>) {
    counts.bit_macs = macs;
  } else {
    counts.int8_macs = macs;
  }
  return counts;
}

template <class Op>
[[nodiscard]] constexpr operation_counts macs_of(std::uint64_t macs) {
  return macs_of<Op>(macs, macs);
}

/// Weights of an (n, k) matrix that Codec stores and a product multiplies.
template <class Codec>
[[nodiscard]] constexpr std::uint64_t stored_weights(std::size_t n, std::size_t k) {
  if constexpr (requires { Codec::stored_weights(n, k); }) {
    return Codec::stored_weights(n, k);
  } else {
    return std::uint64_t{n} * k;
  }
}

/// Bytes of an (n, k) matrix under Codec.
template <class Codec>
[[nodiscard]] constexpr byte_counts matrix_bytes(std::size_t n, std::size_t k) {
  byte_counts bytes;
  if constexpr (requires { Codec::stored_bytes(n, k); }) {
    bytes.weights = Codec::stored_bytes(n, k);
  } else {
    bytes.weights = n * Codec::row_bytes(k);
  }
  bytes.scales = scales_of<Codec>(n, k) * sizeof(float);
  if constexpr (requires { Codec::centroid_bytes(n); }) bytes.scales += Codec::centroid_bytes(n);
  return bytes;
}

/// Operations to encode one input value at run time: magnitude, maximum, scaled rounding. A sign
/// costs nothing: it is read from the float.
template <class Activation>
inline constexpr std::size_t encode_operations = is_int8_input<Activation> ? 3 : 0;

/// Number of learned floats of an input encoding for a layer with k inputs: BiT has a shift per
/// input and one scale; a stored range is one scale.
template <class Activation>
[[nodiscard]] constexpr std::size_t input_parameters(std::size_t k) {
  constexpr bool elastic = std::is_same_v<Activation, activation::elastic_sign> ||
                           std::is_same_v<Activation, activation::elastic_bool>;
  return elastic ? k + 1 : std::is_same_v<Activation, activation::int8_static> ? 1 : 0;
}

/// The products of a kind of attention and the number of f32 operations per score. A kind without a
/// specialization does not compile.
template <class Attention>
struct attention_cost;

template <>
struct attention_cost<softmax_attention> {
  using score_op = mul_add;
  using context_op = mul_add;
  static constexpr double bits = 32;
  static constexpr std::size_t defined_per_score = 6;  // scale, max, subtract, exp, add, multiply
  static constexpr std::size_t executed_per_score = 6;
  static constexpr std::size_t parameters = 0;
};
template <>
struct attention_cost<bi_attention> {
  using score_op = xor_popcount;
  using context_op = and_popcount;
  static constexpr double bits = 1;
  static constexpr std::size_t defined_per_score = 0;  // bool(q k^T): no softmax, no scale
  static constexpr std::size_t executed_per_score = 0;
  static constexpr std::size_t parameters = 0;
};
template <>
struct attention_cost<elastic_attention> {
  using score_op = xor_popcount;
  using context_op = and_popcount;
  static constexpr double bits = 1;
  static constexpr std::size_t defined_per_score = 6;   // the softmax is kept
  static constexpr std::size_t executed_per_score = 1;  // table look-up and one sum
  static constexpr std::size_t parameters = 4;          // scales of q, k, v and the probabilities
};

}  // namespace lowbit::inline LOWBIT_ISA
