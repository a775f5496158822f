// SPDX-License-Identifier: Apache-2.0
// TernaryBERT and BinaryBERT: ternary or one-bit weights, and integer activations scaled by their
// range over the whole padded batch. Results therefore depend on padding and on the other sentences
// in the batch, as in the code that trains these models.
#pragma once

#include "lowbit/codec/sign_pair.hpp"
#include "lowbit/codec/ternary.hpp"
#include "lowbit/policy/policy.hpp"

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// "prefix" + bits + "suffix", for the names of policy families.
struct family_name {
  char text[40] = {};
  constexpr family_name(std::string_view prefix, std::size_t bits, std::string_view suffix) {
    std::size_t at = 0;
    for (const char c : prefix) text[at++] = c;
    text[at++] = static_cast<char>('0' + bits);
    for (const char c : suffix) text[at++] = c;
  }
};

}  // namespace detail

namespace policy {

/// TernaryBERT (Zhang et al., EMNLP 2020): ternary weights; every activation, including the
/// probabilities, is symmetric and dynamic.
template <std::size_t Bits>
struct ternarybert {
  static constexpr lowbit::detail::family_name text{"ternarybert_w2a", Bits, ""};
  static constexpr const char* name = text.text;
  static constexpr const char* scheme = "ternarybert";
  using input = lowbit::activation::dynamic_signed<Bits>;
  using embedding = ternary<scale::row>;
  using linear = linear_format<ternary<scale::tensor>, input>;
  using attention = batch_range_attention<input, input>;
  using hidden_act = gelu_erf;
  using zero = zero_is_zero;
};

/// How BinaryBERT determines the step of its activations.
struct dynamic_step {  // from the range of the batch, as in its 8-bit models
  template <std::size_t Bits>
  using of_signed = lowbit::activation::dynamic_signed<Bits>;
  template <std::size_t Bits>
  using of_unsigned = lowbit::activation::dynamic_unsigned<Bits>;
};
struct learned_step {  // LSQ, as in its 4-bit models
  template <std::size_t Bits>
  using of_signed = lowbit::activation::learned_signed<Bits>;
  template <std::size_t Bits>
  using of_unsigned = lowbit::activation::learned_unsigned<Bits>;
};
template <std::size_t Bits>
using usual_step = std::conditional_t<Bits == 8, dynamic_step, learned_step>;

/// Suffix in the name of a policy without the usual step.
template <std::size_t Bits, class Step>
inline constexpr std::string_view step_suffix =
    std::is_same_v<Step, usual_step<Bits>> ? "" : "_dynamic";

/// BinaryBERT (Bai et al., ACL 2021), one matrix per layer. Probabilities and the middle
/// feed-forward activations are nonnegative, so their codes are unsigned, starting at the minimum.
template <std::size_t Bits, class Weights, class Table, class Step = usual_step<Bits>>
struct binarybert_base {
  static constexpr const char* scheme = "binarybert";
  using input = typename Step::template of_signed<Bits>;
  using positive_input = typename Step::template of_unsigned<Bits>;
  using embedding = Table;
  using linear = linear_format<Weights, input>;
  using feed_forward_output = linear_format<Weights, positive_input>;
  using attention = batch_range_attention<input, positive_input>;
  using hidden_act = any_activation;
  /// The activation function used in its scripts.
  static constexpr activation_function usual_act =
      Bits == 8 ? activation_function::gelu : activation_function::relu;
  using zero = zero_is_plus_one;  // a weight of exactly 0 is stored as +1
};

/// One-bit weights.
template <std::size_t Bits, class Step = usual_step<Bits>>
struct binarybert : binarybert_base<Bits, sign<scale::tensor, center::none>,
                                    sign<scale::row, center::none>, Step> {
  static constexpr lowbit::detail::family_name text{"binarybert_w1a", Bits,
                                                    step_suffix<Bits, Step>};
  static constexpr const char* name = text.text;
};
/// The ternary model before it is split into one-bit halves.
template <std::size_t Bits, class Step = usual_step<Bits>>
struct binarybert_ternary
    : binarybert_base<Bits, ternary<scale::tensor>, ternary<scale::row>, Step> {
  static constexpr lowbit::detail::family_name text{"binarybert_w2a", Bits,
                                                    step_suffix<Bits, Step>};
  static constexpr const char* name = text.text;
};
/// After the split: two one-bit matrices per layer and two word embedding tables, added.
template <std::size_t Bits, class Step = usual_step<Bits>>
struct binarybert_split
    : binarybert_base<Bits, sign<scale::tensor, center::none>, sign_pair<scale::row>, Step> {
  static constexpr bool split = true;
  static constexpr lowbit::detail::family_name text{"binarybert_split_w1a", Bits,
                                                    step_suffix<Bits, Step>};
  static constexpr const char* name = text.text;
};

}  // namespace policy

}  // namespace lowbit::inline LOWBIT_ISA
