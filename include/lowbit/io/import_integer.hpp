// SPDX-License-Identifier: Apache-2.0
// Converts a float model and its activation ranges to the canonical tensors of policy::ibert. All
// float decisions of the integer encoder are made here: codes, and the scale of every site.
//
// Sites of layer l (prefix bert.encoder.layer.l), each F32 [1]:
//   .attention.self.{query,key,value}.input.scale    hidden rows, the same value three times
//   .attention.self.{query,key,value}.output.scale   q, k, v
//   .attention.output.dense.input.scale              context
//   .attention.output.LayerNorm.input.scale          residual sum, 22 bits
//   .intermediate.dense.input.scale                  output of that layer norm
//   .output.dense.input.scale                        middle, after the activation function
//   .output.LayerNorm.input.scale                    residual sum, 22 bits
// and bert.embeddings.LayerNorm.input.scale (16 bits), bert.encoder.output.scale. Probabilities
// (2^-8) and the pooled tanh (1 / 127) have fixed scales.
#pragma once

#include "lowbit/codec/encode.hpp"
#include "lowbit/io/activation_ranges.hpp"
#include "lowbit/io/canonical_model.hpp"
#include "lowbit/io/model_layout.hpp"
#include "lowbit/policy/ibert.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

class integer_importer {
 public:
  integer_importer(const canonical_model& floats, const activation_ranges& ranges)
      : source_(floats), ranges_(ranges) {
    model_.config = floats.config;
    model_.policy = policy::ibert::name;
    model_.zero = floats.zero;
    model_.ignored = floats.ignored;
    model_.warnings = floats.warnings;
  }

  result<canonical_model> run() {
    const model_shape& shape = model_.config.shape;
    if (ranges_.layers.size() != shape.layers || ranges_.hidden.size() != shape.layers + 1) {
      return status::error(errc::invalid_argument, "activation ranges of ", ranges_.layers.size(),
                           " layers, expected ", shape.layers);
    }
    LOWBIT_TRY(check_integer_activation(shape.hidden_act));
    if (shape.embedding != 0 || shape.shared_layers) {
      return status::error(errc::unsupported, "policy ibert has no linear layer after the ",
                           "embeddings and no layers that share weights");
    }
    LOWBIT_TRY(check_attention<policy::ibert>(shape));
    LOWBIT_TRY(embeddings(shape));
    for (std::size_t l = 0; l < shape.layers; ++l) LOWBIT_TRY(layer(shape, l));
    float output = 0;
    LOWBIT_TRY(site(part_text(model_part::encoder_output, 0, ".scale"),
                    ranges_.hidden[shape.layers], 127, output));
    if (shape.head == head_kind::sequence) {
      LOWBIT_TRY(dense(part_text(model_part::pooler), shape.hidden, shape.hidden, output));
      LOWBIT_TRY(
          dense(part_text(model_part::classifier), shape.labels, shape.hidden, 1.0F / 127.0F));
    }
    copy_the_rest();
    return std::move(model_);
  }

 private:
  status embeddings(const model_shape& shape) {
    float range = 0;  // upper bound of any sum of three rows; loose, but 16 bits suffice
    LOWBIT_TRY(table(part_text(model_part::word_embeddings, 0, ".weight"), shape.vocabulary,
                     shape.hidden, range));
    for (const table_layout& t : small_tables(shape))
      LOWBIT_TRY(table(part_text(t.part, 0, ".weight"), t.rows, shape.hidden, range));
    float scale = 0;
    return site(part_text(model_part::embedding_norm, 0, ".input.scale"), range, 32767, scale);
  }

  status layer(const model_shape& shape, std::size_t l) {
    const std::size_t d = shape.hidden;
    const auto range = [&](activation_site at) { return ranges_.at(l, at); };
    constexpr float sum_levels = 2097151;  // 22 bits
    float scale = 0;
    const auto input = [&](model_part part, float of, float levels) {
      return site(part_text(part, l, ".input.scale"), of, levels, scale);
    };
    struct projection {
      model_part part;
      activation_site output;
    };
    for (const projection& p : {projection{model_part::query, activation_site::query},
                                projection{model_part::key, activation_site::key},
                                projection{model_part::value, activation_site::value}}) {
      LOWBIT_TRY(input(p.part, ranges_.hidden[l], 127));
      LOWBIT_TRY(dense(part_text(p.part, l), d, d, scale));
      LOWBIT_TRY(site(part_text(p.part, l, ".output.scale"), range(p.output), 127, scale));
    }
    LOWBIT_TRY(input(model_part::attention_output, range(activation_site::context), 127));
    LOWBIT_TRY(dense(part_text(model_part::attention_output, l), d, d, scale));
    LOWBIT_TRY(
        input(model_part::attention_norm, range(activation_site::attention_sum), sum_levels));
    LOWBIT_TRY(input(model_part::feed_forward_input, range(activation_site::attended), 127));
    LOWBIT_TRY(dense(part_text(model_part::feed_forward_input, l), shape.intermediate, d, scale));
    LOWBIT_TRY(input(model_part::feed_forward_output, range(activation_site::middle), 127));
    LOWBIT_TRY(dense(part_text(model_part::feed_forward_output, l), d, shape.intermediate, scale));
    return input(model_part::output_norm, range(activation_site::output_sum), sum_levels);
  }

  /// Sets the scale of a site: its range divided into `levels` steps. A site that was always 0 gets
  /// range 1.
  status site(const std::string& name, float range, float levels, float& scale) {
    if (!is_finite(range) || range < 0.0F) {
      return status::error(errc::invalid_argument, name, ": activation range is ",
                           float_text(range), ", expected a finite number");
    }
    constexpr float least = 1e-30F;  // keeps a 22-bit scale a normal float
    scale = (range == 0.0F ? 1.0F : range < least ? least : range) / levels;
    model_.own(name, {1}, std::span<const float>(&scale, 1));
    return {};
  }

  status floats(const std::string& name, std::size_t n, std::size_t k, std::vector<float>& out) {
    stored_tensor t;
    LOWBIT_TRY(source_.weights().get(name, element_type::f32, n, k, t));
    out.resize(n * k);
    std::memcpy(out.data(), t.data, out.size() * sizeof(float));
    done_.push_back(name);
    return check_floats(t, out.size());
  }

  status table(const std::string& name, std::size_t n, std::size_t k, float& range) {
    std::vector<float> w;
    LOWBIT_TRY(floats(name, n, k, w));
    const matrix_view<const float> rows{w.data(), n, k, k};
    range += largest_magnitude(rows);
    auto encoded = encode(policy::ibert::embedding{}, rows);
    if (!encoded) return encoded.status().in(name);
    report(name, n, k, encoded->bytes());
    for (encoded_tensor& t : encoded->tensors)
      model_.own(name + t.suffix, t.type, t.shape, std::move(t.bytes));
    return {};
  }

  /// int8 codes with a scale per row, max |w| / 127, or larger if necessary to represent the bias
  /// in 2^29 steps of weight scale x input scale.
  status dense(const std::string& name, std::size_t n, std::size_t k, float input_scale) {
    std::vector<float> w, bias;
    LOWBIT_TRY(floats(name + ".weight", n, k, w));
    LOWBIT_TRY(floats(name + ".bias", 1, n, bias));
    std::vector<std::byte> codes(n * k);
    std::vector<float> scales(n);
    for (std::size_t o = 0; o < n; ++o) {
      const float widest = largest_magnitude({w.data() + o * k, 1, k, k}) / 127.0F;
      const float needed = std::abs(bias[o]) / (input_scale * 0x1p29F);
      scales[o] = std::max(widest, needed);
      for (std::size_t j = 0; j < k; ++j) {
        const int code = round_to_step(w[o * k + j], scales[o], 127);
        codes[o * k + j] = static_cast<std::byte>(static_cast<std::int8_t>(code));
      }
    }
    report(name + ".weight", n, k, codes.size() + scales.size() * sizeof(float));
    model_.own(name + ".weight.codes", element_type::i8, {n, k}, std::move(codes));
    model_.own(name + ".weight.scale", {n}, scales);
    model_.own(name + ".bias", {n}, bias);
    return {};
  }

  void report(const std::string& name, std::size_t n, std::size_t k, std::size_t bytes) {
    model_.report.push_back(
        {name, policy::ibert::weights::name, {n, k}, n * k * sizeof(float), bytes, 0});
  }

  /// Copies layer norms and heads that stay float.
  void copy_the_rest() {
    for (const stored_tensor& t : source_.tensors()) {
      if (std::find(done_.begin(), done_.end(), t.name) != done_.end()) continue;
      const std::size_t bytes = t.bytes();
      std::vector<std::size_t> shape(t.shape, t.shape + t.rank);
      model_.own(t.name, t.type, shape, std::vector<std::byte>(t.data, t.data + bytes));
      model_.report.push_back({t.name, name_of(t.type), shape, bytes, bytes, 0});
    }
  }

  const canonical_model& source_;
  const activation_ranges& ranges_;
  canonical_model model_;
  std::vector<std::string> done_;
};

}  // namespace detail

/// Computes the tensors of policy::ibert from those of policy::fp32 and the ranges that
/// range_observer collected. The result owns its bytes.
/// Errors: invalid_argument for ranges of another model or not finite; not_found, shape_mismatch,
///         malformed naming the tensor
inline result<canonical_model> import_integer(const canonical_model& floats,
                                              const activation_ranges& ranges) {
  return detail::integer_importer(floats, ranges).run();
}

}  // namespace lowbit::inline LOWBIT_ISA
