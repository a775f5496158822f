// SPDX-License-Identifier: Apache-2.0
// The op and byte ledger: the cost of one sentence of N tokens under a policy, per layer and item,
// derived from the policy's types. Constexpr, so user code can check the cost of its own policy in
// a static_assert.
//
// The papers' rule is reconstructed from published totals, not from a published formula: FLOPs are
// 2 per f32 MAC; an m-bit x n-bit MAC costs m n / 64 of that; f32 operations beside low-bit
// products (scales, biases, norms, activations) are added, 1 each. For a model without low-bit
// products, only products count. BERT-base, 128 tokens: 22.35 G; BiBERT 0.40 G, published as 22.5
// and 0.4 (56.3 times fewer).
//
// The size of a low-bit model is the codes of the word embeddings and the encoder, plus f32 biases
// and layer norms. Position and type tables, all scales, the pooler and the classifier are
// excluded. For f32 models every parameter except the classifier's counts. BERT-base 417.6 MiB,
// BiBERT 13.4 MiB, as published. The complete rule excludes nothing.
#pragma once

#include "lowbit/boundary/shape.hpp"
#include "lowbit/cost/formats.hpp"

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// True if a policy has no low-bit part; the papers then count only products and parameters.
template <class Policy>
inline constexpr bool all_f32 = [] {
  using formats = site_formats<Policy>;
  return std::is_same_v<typename formats::projection::op, mul_add> &&
         std::is_same_v<typename formats::attention_output::op, mul_add> &&
         std::is_same_v<typename formats::feed_forward_input::op, mul_add> &&
         std::is_same_v<typename formats::feed_forward_output::op, mul_add> &&
         std::is_same_v<typename Policy::embedding, f32> &&
         attention_cost<typename Policy::attention>::bits == 32;
}();

}  // namespace detail

/// FLOPs by the papers' rule: products times their share, plus the f32 operations of a low-bit
/// model.
template <class Policy>
[[nodiscard]] constexpr double papers_flops_of(const operation_counts& defined, double share) {
  const double products = 2.0 * static_cast<double>(defined.macs()) * share;
  return detail::all_f32<Policy> ? products
                                 : products + static_cast<double>(defined.f32_operations);
}

/// Bytes by the papers' rule for a part of the encoder; see the top of this file for the
/// exclusions.
template <class Policy>
[[nodiscard]] constexpr double papers_bytes_of(const byte_counts& stored) {
  const std::uint64_t kept = stored.weights + stored.biases + stored.norms;
  return static_cast<double>(detail::all_f32<Policy> ? kept + stored.tables : kept);
}

/// The cost of one sentence of `tokens` tokens through a model of `shape` under Policy.
template <class Policy>
class policy_ledger {
 public:
  using formats = site_formats<Policy>;
  using attention = attention_cost<typename Policy::attention>;

  /// Requires: shape.check() ok, tokens in 1 .. 65536 (totals fit in 64 bits)
  constexpr policy_ledger(const model_shape& shape, std::size_t tokens)
      : shape_(shape), tokens_(tokens) {}

  /// Calls visit(layer, item, cost) in execution order; `layer` is shape.layers after the encoder
  /// and 0 for the embedding.
  template <class Visit>
  constexpr void for_each(Visit visit) const {
    visit(std::size_t{0}, cost_item::embedding, embedding());
    const auto visit_layer = [&](std::size_t l, cost_item item, cost c) {
      if (l >= shape_.stored_layers()) c.stored = {}, c.papers_bytes = 0;  // counted at layer 0
      visit(l, item, c);
    };
    for (std::size_t l = 0; l < shape_.layers; ++l) {
      const std::size_t d = shape_.hidden;
      const std::size_t a = shape_.inner();
      const std::size_t i = shape_.intermediate;
      // A classifier reads only the first token, so the last layer computes one query row.
      const std::size_t rows = l + 1 == shape_.layers ? 1 : tokens_;
      constexpr bool bits = attention::bits == 1;  // q, k, v then end in a sign: no float
      constexpr bool middle_bits = is_one_bit_input<typename formats::feed_forward_output::input>;
      using projection = typename formats::projection;
      visit_layer(l, cost_item::query, linear<projection>(a, d, rows, bits));
      visit_layer(l, cost_item::key, linear<projection>(a, d, tokens_, bits));
      visit_layer(l, cost_item::value, linear<projection>(a, d, tokens_, bits));
      visit_layer(l, cost_item::scores, scores(l, rows));
      visit_layer(l, cost_item::context, context(l, rows));
      visit_layer(l, cost_item::attention_output,
                  linear<typename formats::attention_output>(d, a, rows, false));
      visit_layer(l, cost_item::feed_forward_input,
                  linear<typename formats::feed_forward_input>(i, d, rows, middle_bits));
      if (shape_.pre_norm()) {
        visit_layer(l, cost_item::feed_forward_gate,
                    linear<typename formats::feed_forward_input>(i, d, rows, middle_bits));
      }
      visit_layer(l, cost_item::feed_forward_output,
                  linear<typename formats::feed_forward_output>(d, i, rows, false));
      visit_layer(l, cost_item::elementwise, elementwise(rows, middle_bits));
    }
    visit(shape_.layers, cost_item::pooler, pooler());
    if (shape_.labels > 0) visit(shape_.layers, cost_item::classifier, classifier());
  }

  [[nodiscard]] constexpr cost total() const {
    cost sum;
    for_each([&](std::size_t, cost_item, const cost& c) { sum += c; });
    return sum;
  }

 private:
  static constexpr std::size_t per_norm = 8;  // mean 1, variance 3, scale and shift 4 per element

  [[nodiscard]] static constexpr cost priced(cost c, double share) {
    c.papers_flops = papers_flops_of<Policy>(c.defined, share);
    c.papers_bytes = papers_bytes_of<Policy>(c.stored);
    return c;
  }

  /// An (n, k) layer: defined for every token, executed for `rows`. fused: the output is a sign
  /// found by an integer compare, so no scale or bias is computed.
  template <class Format>
  [[nodiscard]] constexpr cost linear(std::size_t n, std::size_t k, std::size_t rows,
                                      bool fused) const {
    using op = typename Format::op;
    constexpr bool floats = std::is_same_v<typename op::activation, float>;
    constexpr std::size_t group = group_of<typename Format::weights>;
    // bias, row scale, and output scale or, per group, a scale and a sum
    const std::size_t per_output = 1 + (has_row_scale<typename Format::input> ? 1 : 0) +
                                   (group != 0 ? 2 * ceil_div(k, group)
                                    : floats   ? 0
                                               : 1);
    cost c;
    const std::uint64_t weights = stored_weights<typename Format::weights>(n, k);
    const std::uint64_t dense = std::uint64_t{n} * k;
    c.defined = macs_of<op>(tokens_ * weights, tokens_ * dense);
    c.executed = macs_of<op>(rows * weights, rows * dense);
    c.defined.f32_operations = tokens_ * n * per_output;
    c.executed.f32_operations = fused ? 0 : rows * n * per_output;
    c.stored = matrix_bytes<typename Format::weights>(n, k);
    c.stored.biases = n * sizeof(float);
    c.stored.inputs = input_parameters<typename Format::input>(k) * sizeof(float);
    return priced(c, papers_share(Format::weight_bits, Format::input_bits));
  }

  /// Scores of `rows` queries in a layer: one per token, or per token of the window.
  [[nodiscard]] constexpr std::uint64_t pairs(std::size_t layer, std::size_t rows) const {
    if (!shape_.is_local(layer)) return std::uint64_t{rows} * tokens_;
    std::uint64_t sum = 0;
    for (std::size_t t = 0; t < rows; ++t) {
      const std::size_t before = t < shape_.window ? t : shape_.window;
      const std::size_t left = tokens_ - 1 - t;
      sum += before + 1 + (left < shape_.window ? left : shape_.window);
    }
    return sum;
  }

  [[nodiscard]] constexpr cost scores(std::size_t layer, std::size_t rows) const {
    using op = typename attention::score_op;
    cost c;
    c.defined = macs_of<op>(pairs(layer, tokens_) * shape_.inner());
    c.executed = macs_of<op>(pairs(layer, rows) * shape_.inner());
    const std::size_t biased = shape_.relative_bias ? 1 : 0;
    const std::size_t each = tokens_ * shape_.heads;  // scores of a query
    c.defined.f32_operations = tokens_ * each * (attention::defined_per_score + biased);
    c.executed.f32_operations = rows * each * (attention::executed_per_score + biased);
    c.stored.inputs = attention::parameters * sizeof(float);
    return priced(c, papers_share(attention::bits, attention::bits));
  }

  [[nodiscard]] constexpr cost context(std::size_t layer, std::size_t rows) const {
    using op = typename attention::context_op;
    cost c;
    c.defined = macs_of<op>(pairs(layer, tokens_) * shape_.inner());
    c.executed = macs_of<op>(pairs(layer, rows) * shape_.inner());
    return priced(c, papers_share(attention::bits, attention::bits));
  }

  /// Two residuals, two layer norms, the activation where its value is used, and dynamic encoding
  /// of inputs.
  [[nodiscard]] constexpr cost elementwise(std::size_t rows, bool middle_bits) const {
    const std::size_t wide = 2 * (1 + per_norm) * shape_.hidden;
    const std::size_t codes =
        shape_.hidden * encode_operations<typename formats::projection::input> +
        shape_.inner() * encode_operations<typename formats::attention_output::input> +
        shape_.hidden * encode_operations<typename formats::feed_forward_input::input> +
        shape_.intermediate * encode_operations<typename formats::feed_forward_output::input>;
    // Rotary positions of q and k, three operations each, and the gate.
    const std::size_t gate = shape_.pre_norm() ? shape_.intermediate : 0;
    const std::size_t turned = shape_.pre_norm() ? 3 * shape_.inner() : 0;
    cost c;
    c.defined.f32_operations = tokens_ * (wide + shape_.intermediate + codes + gate + 2 * turned);
    c.executed.f32_operations =
        rows * (wide + (middle_bits ? 0 : shape_.intermediate) + codes + gate) +
        (rows == 1 ? tokens_ : 2 * tokens_) * turned;
    c.stored.norms = 4 * shape_.hidden * sizeof(float);
    return priced(c, 1);
  }

  [[nodiscard]] constexpr cost embedding() const {
    constexpr bool decoded = !std::is_same_v<typename Policy::embedding, f32>;
    const std::size_t d = shape_.hidden;
    const std::size_t e = shape_.embedding_width();
    const std::size_t positions = shape_.pre_norm() ? 0 : shape_.positions;
    const std::size_t sums = (positions == 0 ? 0 : 1) + (shape_.token_types == 0 ? 0 : 1);
    cost c;  // decode, sums, layer norm
    c.defined.f32_operations = tokens_ * e * ((decoded ? 1 : 0) + sums + per_norm);
    c.executed = c.defined;
    c.stored = matrix_bytes<typename Policy::embedding>(shape_.vocabulary, e);
    c.stored.tables = (positions + shape_.token_types) * e * sizeof(float);
    if (shape_.relative_bias) c.stored.tables += relative_buckets * shape_.heads * sizeof(float);
    c.stored.norms = 2 * e * sizeof(float);
    c = priced(c, 1);
    if (shape_.embedding != 0)
      c += linear<linear_format<f32, activation::f32>>(d, e, tokens_, false);
    return c;
  }

  /// One row; tanh is one operation.
  [[nodiscard]] constexpr cost pooler() const {
    cost c = policy_ledger(shape_, 1).template linear<typename formats::pooler>(
        shape_.hidden, shape_.hidden, 1, false);
    c.defined.f32_operations += shape_.hidden;
    c.executed.f32_operations += shape_.hidden;
    if (!detail::all_f32<Policy>) {
      c.papers_flops += static_cast<double>(shape_.hidden);
      c.papers_bytes = 0;
    }
    return c;
  }

  [[nodiscard]] constexpr cost classifier() const {
    using format = linear_format<f32, activation::f32>;
    cost c =
        policy_ledger(shape_, 1).template linear<format>(shape_.labels, shape_.hidden, 1, false);
    c.papers_flops = 0;
    c.papers_bytes = 0;
    return c;
  }

  model_shape shape_;
  std::size_t tokens_;
};

/// Parameters of the f32 model without the classifier, as counted in the literature.
[[nodiscard]] constexpr std::uint64_t parameter_count(model_shape shape) {
  shape.labels = 0;
  return policy_ledger<policy::fp32>(shape, 1).total().stored.total() / sizeof(float);
}

}  // namespace lowbit::inline LOWBIT_ISA
