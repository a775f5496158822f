// SPDX-License-Identifier: Apache-2.0
// The vocabulary of policies: activation encodings, the pair linear_format<Weights, Activation>,
// and the rule for sign(0). The product that a pair needs follows from it; a pair without one is a
// compile error that lists those that exist.
#pragma once

#include "lowbit/codec/codec.hpp"
#include "lowbit/gemm/op.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// How the input of a linear layer is encoded.
namespace activation {
/// As it is.
struct f32 {
  static constexpr const char* name = "f32";
  static constexpr double bits = 32;
};
/// {-1, 1}: sign(x). BiBERT, section 3.1.
struct sign {
  static constexpr const char* name = "sign";
  static constexpr double bits = 1;
};
/// {-1, 0, 1}: sign(x) where x is an integer that is often exactly 0 (the context of Bi-Attention
/// under torch.sign).
struct ternary_sign {
  static constexpr const char* name = "ternary_sign";
  static constexpr double bits = 1;  // the papers count it as one bit; stored as two planes
};
/// a * {-1, 1}: a sign(x + shift), with a learned scalar a and vector shift. BiT, section 3.2.
struct elastic_sign {
  static constexpr const char* name = "elastic_sign";
  static constexpr double bits = 1;
};
/// a * {0, 1}: a [(x + shift) / a > 1/2]. BiT, section 3.2.
struct elastic_bool {
  static constexpr const char* name = "elastic_bool";
  static constexpr double bits = 1;
};
}  // namespace activation

/// sign(0) = 0, and the attention bit is score > 0: what torch.sign computes, and what the
/// published checkpoints were trained with.
struct zero_is_zero {
  static constexpr const char* name = "torch";
};
/// sign(0) = +1, and the attention bit is score >= 0: the convention of the BiBERT paper, strictly
/// one bit everywhere.
struct zero_is_plus_one {
  static constexpr const char* name = "plus-one";
};

namespace detail {

template <class Weights, class Activation>
struct product_of {
  using type = void;
};
template <>
struct product_of<f32, activation::f32> {
  using type = mul_add;
};
template <class S, class C>
struct product_of<lowbit::sign<S, C>, activation::sign> {
  using type = xor_popcount;
};
template <class S, class C>
struct product_of<lowbit::sign<S, C>, activation::elastic_sign> {
  using type = xor_popcount;
};
template <class S, class C>
struct product_of<lowbit::sign<S, C>, activation::elastic_bool> {
  using type = and_popcount;
};
template <class S, class C>
struct product_of<lowbit::sign<S, C>, activation::ternary_sign> {
  using type = ternary_popcount;
};

}  // namespace detail

/// A linear layer: stored weights x encoded input.
template <class Weights, class Activation>
struct linear_format {
  using weights = Weights;
  using input = Activation;
  using op = typename detail::product_of<Weights, Activation>::type;
  static_assert(
      !std::is_void_v<op>,
      "lowbit: no product for this pair of weight codec and activation encoding. These exist: "
      "f32 x activation::f32; sign<...> x activation::sign, elastic_sign, elastic_bool, "
      "ternary_sign");

  static constexpr double weight_bits = Weights::bits_per_weight;
  static constexpr double input_bits = Activation::bits;
  /// Integer products are exact on every machine; float ones by canonical arithmetic.
  static constexpr bool exact = !std::is_same_v<op, mul_add>;
};

}  // namespace lowbit::inline LOWBIT_ISA
