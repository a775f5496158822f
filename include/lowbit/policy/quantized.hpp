// SPDX-License-Identifier: Apache-2.0
// Post-training policies: weights of a float checkpoint in various formats, activations quantized
// dynamically. Attention, layer norms, residuals and activation functions stay f32.
#pragma once

#include "lowbit/codec/any.hpp"
#include "lowbit/policy/policy.hpp"

namespace lowbit::inline LOWBIT_ISA {

namespace policy {

/// Weights and embeddings in one integer codec, activations in int8 with a scale per token.
template <class Weights>
struct integer_weights : fp32 {
  using embedding = Weights;
  using linear = linear_format<Weights, lowbit::activation::int8_per_token>;
};

/// The recommended default: four times smaller, no calibration, tokens are independent.
struct int8 : integer_weights<lowbit::int8<scale::row>> {
  static constexpr const char* name = "int8";
};
struct w4a8 : integer_weights<lowbit::int4<scale::row>> {
  static constexpr const char* name = "w4a8";
};
/// int4 with a scale per Group columns: 4.5 bits per weight with groups of 64.
template <std::size_t Group>
struct int4_groups : integer_weights<lowbit::int4<scale::group<Group>>> {
  static constexpr const char* name = Group == 32   ? "w4g32a8"
                                      : Group == 64 ? "w4g64a8"
                                                    : "w4g128a8";
};
using w4g32a8 = int4_groups<32>;
using w4g64a8 = int4_groups<64>;
using w4g128a8 = int4_groups<128>;
/// Ternary weights, int8 activations.
struct w2a8 : integer_weights<ternary<scale::row>> {
  static constexpr const char* name = "w2a8";
};
/// One-bit weights, int8 activations.
struct w1a8 : integer_weights<lowbit::sign<scale::row, center::row>> {
  static constexpr const char* name = "w1a8";
};
/// Q8BERT (Zafrir et al., 2019): int8 with one scale per matrix and stored activation ranges.
struct q8bert : fp32 {
  static constexpr const char* name = "q8bert";
  static constexpr const char* scheme = "q8bert";
  using embedding = lowbit::int8<scale::tensor>;
  using linear = linear_format<lowbit::int8<scale::tensor>, lowbit::activation::int8_static>;
  using hidden_act = gelu_erf;
};
/// k-means: indices of log2 N bits, N int8 centroids and a scale per matrix.
template <std::size_t N>
struct codebook : integer_weights<lowbit::codebook<N, scale::tensor, centroid::int8>> {
  static constexpr const char* name = N == 8 ? "codebook8" : N == 16 ? "codebook16" : "codebook256";
};

/// Two bytes per weight, decoded during multiplication.
template <class Half>
struct half_weights : fp32 {
  static constexpr const char* name = Half::name;
  using embedding = Half;
  using linear = linear_format<Half, lowbit::activation::f32>;
};
using bf16 = half_weights<lowbit::bf16>;
using f16 = half_weights<lowbit::f16>;

/// GOBO (Zadeh et al., MICRO 2020): 2^Bits float centroids, exact outliers, float activations.
template <std::size_t Bits>
struct gobo : fp32 {
  static constexpr const char* name = Bits == 3 ? "gobo3" : "gobo4";
  using embedding = lowbit::gobo<Bits>;
  using linear = linear_format<lowbit::gobo<Bits>, lowbit::activation::f32>;
};

/// The smallest Percent of the weights of each linear layer are zeroed, and neither stored nor
/// multiplied; embeddings stay dense. Break-even sparsity on Zen 5, AVX-512, November 2026: single
/// f32 zeros beat dense f32 from 67 to 82 %, and dense int8 only above 92 %; blocks of 16 outputs
/// beat dense f32 from 20 to 52 %, and dense int8 from 77 to 90 % (bench/sparse_break_even.cpp).
template <unsigned Percent, class Value = f32, class Block = block<1, 1>>
struct pruned : fp32 {
  using weights = lowbit::pruned<Percent, Value, Block>;
  static constexpr const char* name = weights::name;
  using linear =
      linear_format<weights,
                    std::conditional_t<weights::integer, lowbit::activation::int8_per_token,
                                       lowbit::activation::f32>>;
};

/// Zeros of the checkpoint are neither stored nor multiplied; embeddings stay dense.
struct sparse : fp32 {
  static constexpr const char* name = "sparse";
  using linear = linear_format<lowbit::sparse<>, lowbit::activation::f32>;
};

/// Each matrix in the integer format named in the file; matrices that must stay exact may be float.
struct any_integer
    : integer_weights<or_floats<lowbit::any_integer, any_of<f32, lowbit::bf16, lowbit::f16>>> {
  static constexpr const char* name = "mixed";
  using usual_weights = lowbit::int8<scale::row>;
  using embedding = any_table;
};
/// Each matrix in the float format named in the file: f32 unchanged, codes and halves decoded
/// during multiplication, sparse matrices kept sparse.
struct any_float : fp32 {
  using embedding = any_table;
  using linear = linear_format<lowbit::any_float, lowbit::activation::f32>;
};

}  // namespace policy

}  // namespace lowbit::inline LOWBIT_ISA
