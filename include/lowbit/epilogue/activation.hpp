// SPDX-License-Identifier: Apache-2.0
// exp, erf, tanh and the activation functions in 16 lanes. They use fixed fma polynomials, never
// libm, so every machine computes the same bits (docs/numerics.md#functions). The coefficients are
// near-minimax fits from scripts/fit-polynomials.
#pragma once

#include <concepts>
#include <string_view>
#include <type_traits>

#include "lowbit/arch/simd.hpp"
#include "lowbit/boundary/shape.hpp"

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// Horner's rule; coefficients start at the lowest power.
template <class Arch, std::size_t N>
LOWBIT_INLINE f32x16<Arch> polynomial(f32x16<Arch> x, const float (&coefficients)[N]) {
  auto value = f32x16<Arch>::broadcast(coefficients[N - 1]);
#pragma GCC unroll 8
  for (std::size_t n = N - 1; n > 0; --n) {
    value = fma(value, x, f32x16<Arch>::broadcast(coefficients[n - 1]));
  }
  return value;
}

/// v with the sign bit of `sign_source`; v must not be negative.
template <class Arch>
LOWBIT_INLINE f32x16<Arch> with_sign(f32x16<Arch> v, f32x16<Arch> sign_source) {
  return f32x16<Arch>::from_bits(bits_of(v) |
                                 (bits_of(sign_source) & i32x16<Arch>::broadcast(INT32_MIN)));
}
template <class Arch>
LOWBIT_INLINE f32x16<Arch> absolute(f32x16<Arch> v) {
  return f32x16<Arch>::from_bits(bits_of(v) & i32x16<Arch>::broadcast(INT32_MAX));
}

}  // namespace detail

/// e^x for x in [-86, 88], clamped outside; relative error below 2e-7. All of these functions
/// return NaN for NaN. x = n ln2 + r with |r| <= ln2 / 2; n is read from the low bits of x log2(e)
/// + 1.5 * 2^23.
template <class Arch>
LOWBIT_INLINE f32x16<Arch> exp(f32x16<Arch> x) {
  using f = f32x16<Arch>;
  constexpr float shifter =
      12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer, half to even
  // The limits are the first operands: min and max return the second one for NaN, so NaN is kept.
  x = max(f::broadcast(-86.0F), min(f::broadcast(88.0F), x));
  const f shifted = fma(x, f::broadcast(1.44269504F), f::broadcast(shifter));
  const f n = shifted - f::broadcast(shifter);
  f r = fma(n, f::broadcast(-0.693359375F), x);  // ln2, high part: exact product
  r = fma(n, f::broadcast(2.12194440e-4F), r);   // ln2, low part
  constexpr float tail[] = {0.5F,           0.166666672F,   0.0416662581F,
                            0.00833326578F, 0.00139469921F, 0.000199179325F};
  const f power = fma(detail::polynomial(r, tail), r * r, r + f::broadcast(1.0F));
  // Scales by 2^n in the exponent field; a compiler could contract a product with a later addition.
  return f::from_bits(bits_of(power) + exponent_shift(bits_of(shifted)));
}

/// erf(x) = 1 - e^(|x| Q(|x|)), absolute error below 2e-7. One branch: near 0 a GELU multiplies erf
/// by a small factor, so a separate form there gains nothing.
template <class Arch>
LOWBIT_INLINE f32x16<Arch> erf(f32x16<Arch> x) {
  using f = f32x16<Arch>;
  constexpr float log_erfc[] = {-1.1283803F,     -0.636597753F,    -0.102919593F,
                                0.0195839163F,   -0.000536873005F, -0.00103244523F,
                                0.000308817776F, -3.14423414e-05F};
  const f magnitude = min(f::broadcast(4.0F), detail::absolute(x));  // erf(4) rounds to 1
  const f tail = exp(magnitude * detail::polynomial(magnitude, log_erfc));
  return detail::with_sign(f::broadcast(1.0F) - tail, x);
}

/// tanh(x), absolute error below 2e-7. |x| < 0.625: x + x^3 P(x^2); else 1 - 2 / (e^(2|x|) + 1).
template <class Arch>
LOWBIT_INLINE f32x16<Arch> tanh(f32x16<Arch> x) {
  using f = f32x16<Arch>;
  constexpr float small[] = {-0.333333284F, 0.133327946F, -0.0538540669F, 0.0210100748F,
                             -0.00611318322F};
  const f one = f::broadcast(1.0F);
  const f magnitude = min(f::broadcast(10.0F), detail::absolute(x));  // tanh(10) rounds to 1
  const f square = magnitude * magnitude;
  const f inner = fma(square * magnitude, detail::polynomial(square, small), magnitude);
  const f outer = one - f::broadcast(2.0F) / (exp(magnitude + magnitude) + one);
  return detail::with_sign(select(less(magnitude, f::broadcast(0.625F)), inner, outer), x);
}

namespace detail {

/// x / 2 (1 + tanh u), which is x sigmoid(2 u): exactly 0 far below zero, where x / (1 + e^(-2u))
/// with a clamped exponent would not be.
template <class Arch>
LOWBIT_INLINE f32x16<Arch> gated(f32x16<Arch> x, f32x16<Arch> u) {
  const auto half = x * f32x16<Arch>::broadcast(0.5F);
  return fma(half, tanh(u), half);
}

}  // namespace detail

/// BERT's GELU, x / 2 (1 + erf(x / sqrt 2)): the erf form, not the tanh approximation.
struct gelu_erf {
  static constexpr const char* name = "gelu";
  static constexpr activation_function function = activation_function::gelu;
  template <class Arch>
  static LOWBIT_INLINE f32x16<Arch> apply(f32x16<Arch> x) {
    using f = f32x16<Arch>;
    const f half = x * f::broadcast(0.5F);
    return fma(half, erf(x * f::broadcast(0.707106781F)), half);
  }
};
struct relu {
  static constexpr const char* name = "relu";
  static constexpr activation_function function = activation_function::relu;
  template <class Arch>
  static LOWBIT_INLINE f32x16<Arch> apply(f32x16<Arch> x) {
    // max() keeps NaN only in its second operand; adding zero turns -0 into +0.
    const auto zero = f32x16<Arch>::broadcast(0.0F);
    return max(zero, x) + zero;
  }
};
/// The tanh approximation of GELU, x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).
struct gelu_tanh {
  static constexpr const char* name = "gelu_new";
  static constexpr activation_function function = activation_function::gelu_tanh;
  template <class Arch>
  static LOWBIT_INLINE f32x16<Arch> apply(f32x16<Arch> x) {
    using f = f32x16<Arch>;
    const f slope = fma(x * x, f::broadcast(0.0356774081F), f::broadcast(0.797884561F));
    return detail::gated(x, x * slope);
  }
};
/// SiLU, or swish: x sigmoid(x).
struct silu {
  static constexpr const char* name = "silu";
  static constexpr activation_function function = activation_function::silu;
  template <class Arch>
  static LOWBIT_INLINE f32x16<Arch> apply(f32x16<Arch> x) {
    return detail::gated(x, x * f32x16<Arch>::broadcast(0.5F));
  }
};
/// The sigmoid approximation of GELU, x sigmoid(1.702 x).
struct quick_gelu {
  static constexpr const char* name = "quick_gelu";
  static constexpr activation_function function = activation_function::quick_gelu;
  template <class Arch>
  static LOWBIT_INLINE f32x16<Arch> apply(f32x16<Arch> x) {
    return detail::gated(x, x * f32x16<Arch>::broadcast(0.851F));
  }
};
/// No config.json can name it: the pooler's.
struct tanh_activation {
  static constexpr const char* name = "tanh";
  template <class Arch>
  static LOWBIT_INLINE f32x16<Arch> apply(f32x16<Arch> x) {
    return tanh(x);
  }
};

template <class... Functions>
struct activation_list {};
/// Those that config.json can name, each with its `function`, in the order of activation_function.
using named_activations = activation_list<gelu_erf, relu, gelu_tanh, silu, quick_gelu>;

/// As a policy's hidden_act: the one that the model's shape names.
struct any_activation {
  static constexpr const char* name = "any";
};

namespace detail {

template <class... Functions>
constexpr bool are_named_in_order(activation_list<Functions...>) {
  std::size_t at = 0;
  return ((static_cast<std::size_t>(Functions::function) == at++ &&
           std::string_view(Functions::name) == name_of(Functions::function)) &&
          ...) &&
         at == activation_functions;
}
static_assert(are_named_in_order(named_activations{}),
              "lowbit: named_activations is not activation_function of boundary/shape.hpp");

template <class First, class... Rest, class Function>
LOWBIT_INLINE auto pick_activation(activation_list<First, Rest...>, activation_function named,
                                   Function& function) {
  if constexpr (sizeof...(Rest) != 0) {
    if (named != First::function)
      return pick_activation(activation_list<Rest...>{}, named, function);
  }
  return function(std::type_identity<First>{});
}

}  // namespace detail

/// function(std::type_identity<HiddenAct>), or, where that is any_activation, for the one of List
/// called `named`; the last one stands for all that are not in it.
template <class HiddenAct, class List = named_activations, class Function>
LOWBIT_INLINE auto with_activation(activation_function named, Function function) {
  if constexpr (!std::is_same_v<HiddenAct, any_activation>) {
    return function(std::type_identity<HiddenAct>{});
  } else {
    return detail::pick_activation(List{}, named, function);
  }
}

/// A function that config.json can name.
template <class HiddenAct>
concept named_activation = requires {
  { HiddenAct::function } -> std::convertible_to<activation_function>;
};

/// Whether a policy with HiddenAct runs a model with the function `named`. One that no config.json
/// can name stands for whatever the model has.
template <class HiddenAct>
[[nodiscard]] constexpr bool computes_activation(activation_function named) {
  if constexpr (named_activation<HiddenAct>) {
    return named == HiddenAct::function;
  } else {
    return true;
  }
}

}  // namespace lowbit::inline LOWBIT_ISA
