// SPDX-License-Identifier: Apache-2.0
// The building blocks of policies: activation encodings, the pair linear_format<Weights,
// Activation>, and the rule for sign(0). The pair determines the product; a pair without one is a
// compile error that lists the valid pairs.
#pragma once

#include "lowbit/codec/concepts.hpp"
#include "lowbit/kernel/op.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// How the input of a linear layer is encoded.
namespace activation {
/// Not encoded.
struct f32 {
  static constexpr const char* name = "f32";
  static constexpr double bits = 32;
};
/// {-1, 1}: sign(x). BiBERT, section 3.1.
struct sign {
  static constexpr const char* name = "sign";
  static constexpr double bits = 1;
};
/// {-1, 0, 1}: sign(x) for integers x that are often exactly 0 (the context of Bi-Attention under
/// torch.sign).
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
/// Symmetric int8 with one dynamic scale per token, max |x| / 127. Tokens are encoded
/// independently.
struct int8_per_token {
  static constexpr const char* name = "int8_per_token";
  static constexpr double bits = 8;
};
/// Symmetric int8 with a stored (calibrated) scale. Q8BERT, section 3.
struct int8_static {
  static constexpr const char* name = "int8_static";
  static constexpr double bits = 8;
};
/// Integers with one scale for a whole padded batch, including padding: clip(x) * L / max
/// |clip(x)|, L = 2^(Bits - 1) - 1. A row depends on the rest of the batch. TernaryBERT, section
/// 3.1.
template <std::size_t Bits>
struct dynamic_signed {
  static_assert(Bits >= 2 && Bits <= 8);
  static constexpr const char* name = Bits == 8   ? "int8_dynamic"
                                      : Bits == 4 ? "int4_dynamic"
                                                  : "signed_dynamic";
  static constexpr double bits = Bits;
  static constexpr bool dynamic_step = true, signed_codes = true;
};
/// Unsigned codes 0 .. 2^Bits - 1 over the range [min clip(x), max clip(x)] of the padded batch.
template <std::size_t Bits>
struct dynamic_unsigned {
  static_assert(Bits >= 2 && Bits <= 8);
  static constexpr const char* name = Bits == 8   ? "uint8_dynamic"
                                      : Bits == 4 ? "uint4_dynamic"
                                                  : "unsigned_dynamic";
  static constexpr double bits = Bits;
  static constexpr bool dynamic_step = true, signed_codes = false;
};
/// Codes x / a in -2^(Bits - 1) .. 2^(Bits - 1) - 1 with a learned step a. LSQ (Esser et al., ICLR
/// 2020); BinaryBERT.
template <std::size_t Bits>
struct learned_signed {
  static_assert(Bits >= 2 && Bits <= 7, "lowbit: code -128 of eight bits has no product");
  static constexpr const char* name = Bits == 4 ? "int4_learned" : "signed_learned";
  static constexpr double bits = Bits;
  static constexpr bool dynamic_step = false, signed_codes = true;
};
/// Codes (x - m) / a in 0 .. 2^Bits - 1, where m is the minimum of x over the whole padded batch.
template <std::size_t Bits>
struct learned_unsigned {
  static_assert(Bits >= 2 && Bits <= 8);
  static constexpr const char* name = Bits == 4 ? "uint4_learned" : "unsigned_learned";
  static constexpr double bits = Bits;
  static constexpr bool dynamic_step = false, signed_codes = false;
};
using int8_dynamic = dynamic_signed<8>;
}  // namespace activation

/// Encodings that use the range of the whole padded batch. dynamic_step: also for the step;
/// signed_codes: codes may be negative.
template <class Activation>
concept has_batch_range = requires {
  Activation::dynamic_step;
};

/// Encodings to int8 codes.
template <class Activation>
inline constexpr bool is_int8_input = std::is_same_v<Activation, activation::int8_per_token> ||
                                      std::is_same_v<Activation, activation::int8_static>;
/// Encodings with a scale per row rather than per layer.
template <class Activation>
inline constexpr bool has_row_scale = std::is_same_v<Activation, activation::int8_per_token>;
/// Encodings to one bit.
template <class Activation>
inline constexpr bool is_one_bit_input = std::is_same_v<Activation, activation::sign> ||
                                         std::is_same_v<Activation, activation::ternary_sign> ||
                                         std::is_same_v<Activation, activation::elastic_sign> ||
                                         std::is_same_v<Activation, activation::elastic_bool>;

/// sign(0) = 0, and the attention bit is score > 0: as torch.sign computes and the published
/// checkpoints were trained.
struct zero_is_zero {
  static constexpr const char* name = "torch";
};
/// sign(0) = +1, and the attention bit is score >= 0: the convention of the BiBERT paper, strictly
/// one bit everywhere.
struct zero_is_plus_one {
  static constexpr const char* name = "plus-one";
};

namespace detail {

/// True if kernels support groups of this many columns.
template <std::size_t Columns>
inline constexpr bool valid_group =
    Columns % group_dot<8>::depth == 0 && Columns <= group_dot<8>::longest_group;

template <class Weights, class Activation>
constexpr auto product_of() {
  if constexpr (is_sign<Weights> && (std::is_same_v<Activation, activation::sign> ||
                                     std::is_same_v<Activation, activation::elastic_sign>)) {
    return std::type_identity<xor_popcount>{};
  } else if constexpr (is_sign<Weights> && std::is_same_v<Activation, activation::elastic_bool>) {
    return std::type_identity<and_popcount>{};
  } else if constexpr (is_sign<Weights> && std::is_same_v<Activation, activation::ternary_sign>) {
    return std::type_identity<ternary_popcount>{};
  } else if constexpr (is_sign<Weights> && has_batch_range<Activation> && Activation::bits <= 4) {
    return std::type_identity<
        plane_popcount<static_cast<std::size_t>(Activation::bits), Activation::signed_codes>>{};
  } else if constexpr (integer_codec<Weights> && group_of<Weights> == 0 &&
                       (has_batch_range<Activation> || is_int8_input<Activation>)) {
    return std::type_identity<code_dot<kernel_bits_of<Weights>>>{};
  } else if constexpr (integer_codec<Weights> && is_int8_input<Activation> &&
                       valid_group<group_of<Weights>>) {
    return std::type_identity<group_dot<kernel_bits_of<Weights>>>{};
  } else if constexpr (float_codec<Weights> && std::is_same_v<Activation, activation::f32>) {
    if constexpr (decoded_codec<Weights>) {
      return std::type_identity<decoded_mul_add>{};
    } else if constexpr (kernel_bits_of<Weights> == 4) {
      return std::type_identity<lookup_mul_add>{};
    } else {
      return std::type_identity<mul_add>{};
    }
  } else {
    return std::type_identity<void>{};
  }
}

}  // namespace detail

/// The codecs of Integers, or those of Floats if NAME.format names one; such a layer uses the float
/// activations instead of their codes.
template <class Integers, class Floats>
struct or_floats : Integers {
  static_assert(Integers::integer && !Floats::integer);
  using integers = Integers;
  using floats = Floats;
};

/// A linear layer: stored weights x encoded input.
template <class Weights, class Activation>
struct linear_format {
  using weights = Weights;
  using input = Activation;
  using product = typename decltype(detail::product_of<Weights, Activation>())::type;
  static_assert(
      !std::is_void_v<product>,
      "lowbit: no product for this pair of weight codec and activation encoding. These exist: "
      "linear_format<W, activation::f32> with W = f32, bf16, f16, codebook<16>, gobo<3>; "
      "linear_format<W, A> with W = sign<scale::row, center::row> and A = activation::sign, "
      "activation::ternary_sign, activation::elastic_sign, activation::elastic_bool; with W = "
      "int8<scale::row>, int4<scale::row>, ternary<scale::row>, sign<scale::row, center::row>, "
      "codebook<16, scale::tensor, centroid::int8> and A = activation::int8_per_token, "
      "activation::int8_static, activation::dynamic_signed<8>, activation::dynamic_unsigned<8>, "
      "activation::learned_signed<4>, activation::learned_unsigned<4>; with W = "
      "int4<scale::group<64>> and A = activation::int8_per_token, activation::int8_static");
  /// After the static_assert above has failed, any product, to avoid further errors.
  using op = std::conditional_t<std::is_void_v<product>, mul_add, product>;

  static constexpr double weight_bits = Weights::bits_per_weight;
  static constexpr double input_bits = Activation::bits;
  /// Integer products are exact on every machine; float products and sums of groups follow the
  /// canonical order.
  static constexpr bool exact = !std::is_same_v<typename op::accumulator, float>;
};

/// True if a layer of this format may need the float activations as well as the codes.
template <class Format>
inline constexpr bool may_be_floats = requires {
  typename Format::weights::floats;
};

}  // namespace lowbit::inline LOWBIT_ISA
