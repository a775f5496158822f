// SPDX-License-Identifier: Apache-2.0
// A policy is a struct of `using` lines that define the format of each part of an encoder. `linear`
// applies to every linear layer unless a more specific line (projection, attention_output,
// feed_forward_input, feed_forward_output, pooler) overrides it.
//   struct mine : lowbit::policy::fp32 { using hidden_act = lowbit::relu; };
#pragma once

#include "lowbit/boundary/shape.hpp"
#include "lowbit/epilogue/activation.hpp"
#include "lowbit/policy/format.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// softmax(q k^T / sqrt(d)) v in f32.
struct softmax_attention {
  static constexpr const char* name = "softmax";
};
/// bool(q k^T) v with one-bit q, k, v: no softmax, no scale. BiBERT, section 3.2.
struct bi_attention {
  static constexpr const char* name = "bi-attention";
};
/// bit(softmax(q k^T / sqrt(d))) v with one-bit q, k, v and elastic probabilities. BiT,
/// section 3.2.
struct elastic_attention {
  static constexpr const char* name = "elastic";
};
/// softmax(q k^T / sqrt(d)) v where q, k, v and the probabilities are integers, each scaled by its
/// range over the whole batch; the softmax is f32. TernaryBERT, BinaryBERT.
template <class Projected, class Probability>
struct batch_range_attention {
  static constexpr const char* name = "integer softmax";
  static constexpr bool batch_range = true;
  using projected = Projected;
  using probability = Probability;
};

/// Checks that the attention of Policy can compute the scores of a model.
/// Errors: unsupported
template <class Policy>
[[nodiscard]] constexpr status check_attention(const model_shape& shape) {
  if constexpr (!std::is_same_v<typename Policy::attention, softmax_attention>) {
    if (const char* needed = shape.needs_softmax()) {
      return status::error(errc::unsupported, "policy ", Policy::name, " has no ", needed,
                           ", expected one with softmax attention");
    }
  }
  return {};
}

/// True if every matrix is stored as two halves, NAME_1 and NAME_2 (see sign_pair).
template <class Policy>
inline constexpr bool is_split = [] {
  if constexpr (requires { Policy::split; }) {
    return Policy::split;
  } else {
    return false;
  }
}();

namespace policy {

/// BERT as published: f32 everywhere.
struct fp32 {
  static constexpr const char* name = "fp32";
  /// The training scheme of its checkpoints (io/config_scheme.hpp); derived policies read the same
  /// ones.
  static constexpr const char* scheme = "fp32";
  using embedding = f32;
  using linear = linear_format<f32, lowbit::activation::f32>;
  using attention = softmax_attention;
  using hidden_act = any_activation;
  using zero = zero_is_zero;
};

/// BiBERT (Qin et al., ICLR 2022): one-bit weights, embeddings, activations and attention.
struct bibert {
  static constexpr const char* name = "bibert";
  static constexpr const char* scheme = "bibert";
  using weights = lowbit::sign<scale::row, center::row>;
  using embedding = weights;
  using linear = linear_format<weights, lowbit::activation::sign>;
  using attention_output = linear_format<weights, lowbit::activation::ternary_sign>;
  using attention = bi_attention;
  using hidden_act = gelu_erf;  // only its sign is needed: never computed
  using zero = zero_is_zero;
};
/// BiBERT with the paper's sign(0) = 1: the context is also one bit.
struct bibert_plus_one : bibert {
  using attention_output = linear;
  using zero = zero_is_plus_one;
};

/// BiT (Liu et al., NeurIPS 2022): elastic one-bit activations, {0,1} where values are nonnegative.
struct bit {
  static constexpr const char* name = "bit";
  static constexpr const char* scheme = "bit";
  using weights = lowbit::sign<scale::tensor, center::tensor>;
  using embedding = lowbit::sign<scale::row, center::tensor>;
  using linear = linear_format<weights, lowbit::activation::elastic_sign>;
  using feed_forward_output = linear_format<weights, lowbit::activation::elastic_bool>;
  using attention = elastic_attention;
  using hidden_act = relu;
  using zero = zero_is_plus_one;  // the shift is real-valued, so zeros do not occur
};

}  // namespace policy

/// The format of each linear layer of a policy: its specific line if there is one, otherwise
/// `linear`.
template <class Policy>
class site_formats {
#define LOWBIT_SITE_FORMAT(site)                                     \
 private:                                                            \
  template <class P>                                                 \
  static std::type_identity<typename P::site> site##_format(int);    \
  template <class P>                                                 \
  static std::type_identity<typename P::linear> site##_format(long); \
                                                                     \
 public:                                                             \
  using site = typename decltype(site##_format<Policy>(0))::type
  LOWBIT_SITE_FORMAT(projection);
  LOWBIT_SITE_FORMAT(attention_output);
  LOWBIT_SITE_FORMAT(feed_forward_input);
  LOWBIT_SITE_FORMAT(feed_forward_output);
  LOWBIT_SITE_FORMAT(pooler);
#undef LOWBIT_SITE_FORMAT
};

/// Policies with activation ranges that span the padded batch: results depend on padding and on the
/// other sentences.
template <class Policy>
concept whole_batch_ranges = has_batch_range<typename site_formats<Policy>::projection::input> ||
    has_batch_range<typename site_formats<Policy>::attention_output::input> ||
    has_batch_range<typename site_formats<Policy>::feed_forward_input::input> ||
    has_batch_range<typename site_formats<Policy>::feed_forward_output::input>;

}  // namespace lowbit::inline LOWBIT_ISA
