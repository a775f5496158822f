// SPDX-License-Identifier: Apache-2.0
// Imports a checkpoint (plain BERT, TinyBERT, BiBERT, BiT, TernaryBERT, BinaryBERT with their
// original tensor names) to canonical tensors under a policy type. Training-code quirks are handled
// here and in checkpoint_reader.hpp; nothing is skipped silently. import_named.hpp takes the policy
// by name.
#pragma once

#include "lowbit/codec/encode.hpp"
#include "lowbit/codec/running_mean.hpp"
#include "lowbit/io/checkpoint_values.hpp"
#include "lowbit/io/encode_model.hpp"
#include "lowbit/io/import_heads.hpp"
#include "lowbit/policy/per_layer.hpp"
#include "lowbit/policy/quantized.hpp"
#include "lowbit/policy/quantized_bert.hpp"

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// Imports one checkpoint under Policy.
template <class Policy>
class importer : checkpoint_values {
 public:
  using checkpoint_values::checkpoint_values;

  /// Errors: those of checkpoint_reader; unsupported or malformed naming the field of config.json
  status run() {
    const model_shape& s = model_.config.shape;
    if constexpr (whole_batch_ranges<Policy>) {
      LOWBIT_TRY_ASSIGN(fields_, read_quantized_bert_fields(model_.config, reader_.place()));
    }
    LOWBIT_TRY(words(s));
    for (const table_layout& t : small_tables(s)) {
      const std::size_t skipped =
          t.part == model_part::position_embeddings ? model_.config.first_position : 0;
      LOWBIT_TRY(table(part_text(t.part, 0, ".weight"), t.rows, t.cols, skipped));
    }
    for (const norm_layout& norm : layer_norms(s)) {
      LOWBIT_TRY(floats(norm.name + ".weight", {norm.width}));
      LOWBIT_TRY(bias(norm.name + ".bias", norm.part, norm.width));
    }
    for (const linear_layout& layer : linear_layers(s)) {
      LOWBIT_TRY(with_policy_of(
          layer, [&]<class P>(std::type_identity<P>) { return site_layer<P>(layer); }));
    }
    for (std::size_t l = 0; l < s.stored_layers(); ++l)
      LOWBIT_TRY(attention(part_text(model_part::attention, l, ".")));
    if (s.head == head_kind::masked_lm) LOWBIT_TRY(masked_lm_bias(s.vocabulary));
    return reader_.check_all_known(model_);
  }

 private:
  /// True if matrices get NAME.format: only encoders that read codecs from the file need it; the
  /// others fix them in the type.
  template <class Op>
  static constexpr bool names_formats =
      !std::is_base_of_v<counting_op, Op> && !whole_batch_ranges<Policy>;

  template <class Codec>
  status matrix(const std::string& name, std::size_t n, std::size_t k, bool named) {
    const std::string weight = name + ".weight";
    if constexpr (std::is_same_v<Codec, f32>) {
      return floats(weight, {n, k});
    } else {
      LOWBIT_TRY_ASSIGN(auto values, reader_.read(weight, {n, k}));
      if (fields_ && scheme_ == scheme::ternarybert) {
        LOWBIT_TRY_ASSIGN(const auto range, interval(name + ".weight_clip_val"));
        for (float& w : values) {
          w = w < range[1] ? w : range[1];
          w = w > range[0] ? w : range[0];
        }
      }
      const matrix_view<const float> w{values.data(), n, k, k};
      if constexpr (requires { encode_with_running_mean(Codec{}, w); }) {
        if (scheme_ == scheme::bit || fields_) {
          return add_encoded<Codec>(model_, weight, w, encode_with_running_mean(Codec{}, w), named)
              .in(reader_.place());
        }
      }
      return add_matrix<Codec>(model_, weight, w, named).in(reader_.place());
    }
  }

  status words(const model_shape& s) {
    using codec = typename Policy::embedding;
    const std::string name = part_text(model_part::word_embeddings);
    const std::size_t e = s.embedding_width();
    if constexpr (is_split<Policy>) {
      LOWBIT_TRY(matrix<typename codec::half>(name + "_1", s.vocabulary, e, false));
      return matrix<typename codec::half>(name + "_2", s.vocabulary, e, false);
    } else {
      return matrix<codec>(name, s.vocabulary, e, names_formats<typename Policy::linear::op>);
    }
  }

  /// Calls function(std::type_identity<P>) for the policy of the matrix's encoder layer; parts
  /// after the encoder use the last.
  template <class Function>
  status with_policy_of(const linear_layout& layer, Function function) const {
    if constexpr (!is_per_layer<Policy>) {
      return function(std::type_identity<Policy>{});
    } else {
      const std::size_t layers = model_.config.shape.layers;
      status done;
      [&]<std::size_t... S>(std::index_sequence<S...>) {
        static_cast<void>(
            ((layer.layer < Policy::begin(S + 1, layers) &&
              (done = function(std::type_identity<typename Policy::template policy_at<S>>{}),
               true)) ||
             ...));
      }
      (std::make_index_sequence<Policy::segment_count>{});
      return done;
    }
  }

  template <class P>
  status site_layer(const linear_layout& layer) {
    using formats = site_formats<P>;
    switch (layer.at) {
      case site::projection:
        return linear_layers_of<P, typename formats::projection>(layer);
      case site::attention_output:
        return linear_layers_of<P, typename formats::attention_output>(layer);
      case site::feed_forward_input:
        return linear_layers_of<P, typename formats::feed_forward_input>(layer);
      case site::feed_forward_output:
        return linear_layers_of<P, typename formats::feed_forward_output>(layer);
      case site::pooler:
        return linear_layers_of<P, typename formats::pooler>(layer);
      case site::classifier:
        break;
    }
    return linear_layer<linear_format<f32, activation::f32>>(layer, layer.name);
  }
  /// Imports one layer, or the two halves of a split one.
  template <class P, class Format>
  status linear_layers_of(const linear_layout& layer) {
    if constexpr (!is_split<P>) return linear_layer<Format>(layer, layer.name);
    LOWBIT_TRY(linear_layer<Format>(layer, layer.name + "_1"));
    return linear_layer<Format>(layer, layer.name + "_2");
  }

  /// Imports the clip or learned step of an activation with a batch range.
  template <class Activation>
  status range(const std::string& name, const std::string& as) {
    return Activation::dynamic_step ? clip(name, as + ".clip") : learned_step(name, as + ".scale");
  }

  template <class Format>
  status linear_layer(const linear_layout& layer, const std::string& name) {
    LOWBIT_TRY(matrix<typename Format::weights>(name, layer.n, layer.k,
                                                names_formats<typename Format::op>));
    LOWBIT_TRY(bias(name + ".bias", layer.part, layer.n));
    using input = typename Format::input;
    if constexpr (has_batch_range<input>) {
      // TernaryBERT stores clips as buffers beside the weights and activations.
      const char* clip = scheme_ == scheme::ternarybert ? ".act_clip_val" : ".input_clip_val";
      return range<input>(name + clip, name + ".input");
    } else if constexpr (std::is_same_v<input, activation::elastic_sign> ||
                         std::is_same_v<input, activation::elastic_bool>) {
      LOWBIT_TRY(floats(name + ".move.bias", {layer.k}, name + ".input.shift"));
      return elastic_scale(name + ".input_clip_val", name + ".input.scale");
    } else if constexpr (std::is_same_v<input, activation::int8_static>) {
      return trained_range(layer);
    } else {
      return {};
    }
  }

  /// Imports the encodings of a layer's attention: q, k, v and the probabilities. self: "NAME."
  status attention(const std::string& self) {
    using kind = typename Policy::attention;
    const auto each = [&](const auto& projected, const auto& probability) -> status {
      LOWBIT_TRY(projected(self + "clip_query", self + "query.output"));
      LOWBIT_TRY(projected(self + "clip_key", self + "key.output"));
      LOWBIT_TRY(projected(self + "clip_value", self + "value.output"));
      return probability(self + "clip_attn", self + "probability");
    };
    if constexpr (whole_batch_ranges<Policy>) {
      return each(
          [&](const auto&... names) { return range<typename kind::projected>(names...); },
          [&](const auto&... names) { return range<typename kind::probability>(names...); });
    } else if constexpr (std::is_same_v<kind, elastic_attention>) {
      const auto scale = [&](const std::string& name, const std::string& as) {
        return elastic_scale(name, as + ".scale");
      };
      return each(scale, scale);
    } else {
      return {};
    }
  }
};

}  // namespace detail

/// Imports a checkpoint folder under a policy type of the library or the user. `model` supplies
/// config, policy name and zero rule.
/// Errors: those of checkpoint_tensors::open; shape_mismatch, not_found, malformed, unsupported
/// naming the tensor
template <class Policy>
result<canonical_model> import_checkpoint(const model_files& folder, canonical_model model) {
  return detail::without_exceptions(folder.native(), [&]() -> result<canonical_model> {
    LOWBIT_TRY_ASSIGN(auto files, checkpoint_tensors::open(folder));
    const std::string& place = folder.native();
    model.keep_open(std::move(files));
    LOWBIT_TRY_ASSIGN(auto reader,
                      detail::checkpoint_reader::open(model.files(), *model.config.family, place));
    LOWBIT_TRY(detail::find_head(model.config, model.files(), reader.tensors(), place));
    if constexpr (whole_batch_ranges<Policy>) detail::find_attention_width(model.config, reader);
    LOWBIT_TRY(model.config.shape.check().in(place));
    LOWBIT_TRY(detail::importer<Policy>(model, reader).run());
    if (std::is_base_of_v<counting_op, typename Policy::linear::op> &&
        model.config.recognised == scheme::fp32) {
      model.warnings.push_back("the checkpoint was not trained for policy " + model.policy +
                               ": expect no accuracy");
    }
    return std::move(model);
  });
}

}  // namespace lowbit::inline LOWBIT_ISA
