// SPDX-License-Identifier: Apache-2.0
// I-BERT (Kim et al., ICML 2021): an integer-only encoder from token ids to logits. int8 weights
// with a scale per output row, int8 activations with stored scales, 8-bit embeddings, i-exp,
// i-GELU, integer layer norm. Implemented in model/integer_encoder.hpp, which model/heads.hpp
// includes.
#pragma once

#include "lowbit/codec/integer.hpp"
#include "lowbit/policy/policy.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// softmax(q k^T / sqrt(d)) v in integers: see nn/integer/attention.hpp.
struct integer_attention {
  static constexpr const char* name = "integer-softmax";
};

/// Policies that use no floats between token ids and logits.
template <class Policy>
concept integer_only = std::is_same_v<typename Policy::attention, integer_attention>;

/// The activation functions that it has in integers (nn/integer/gelu.hpp); others are refused.
[[nodiscard]] constexpr status check_integer_activation(activation_function f) {
  if (f == activation_function::gelu || f == activation_function::relu) return {};
  return status::error(errc::unsupported, "policy ibert needs hidden_act gelu or relu, found ",
                       name_of(f));
}

namespace policy {

/// Where the published code differs from the paper, this follows the paper: weights span -127..127,
/// and the context has the scale of probabilities times values. The pooler's tanh, float in I-BERT,
/// is an integer tanh based on i-exp.
struct ibert {
  static constexpr const char* name = "ibert";
  static constexpr const char* scheme = "ibert";
  using weights = lowbit::int8<scale::row>;
  using embedding = lowbit::int8<scale::tensor>;
  using linear = linear_format<weights, lowbit::activation::int8_static>;
  using attention = integer_attention;
  using hidden_act = any_activation;  // GELU as i-GELU
  using zero = zero_is_zero;
};

}  // namespace policy
}  // namespace lowbit::inline LOWBIT_ISA
