// SPDX-License-Identifier: Apache-2.0
// A Hugging Face checkpoint (plain BERT, TinyBERT, BiBERT, BiT by their original tensor names) to
// canonical tensors under a policy type. What is peculiar to a training code stands here and in
// checkpoint_reader.hpp; nothing is skipped silently. import_named.hpp takes the policy's name.
#pragma once

#include "lowbit/codec/encode.hpp"
#include "lowbit/io/checkpoint_reader.hpp"
#include "lowbit/io/encode_model.hpp"
#include "lowbit/io/import_dynamic.hpp"
#include "lowbit/io/import_heads.hpp"
#include "lowbit/policy/per_layer.hpp"
#include "lowbit/policy/quantized.hpp"

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

class importer {
 public:
  importer(canonical_model& model, checkpoint_reader& reader) : model_(model), reader_(reader) {}

  template <class Policy>
  status run() {
    const model_shape& s = model_.config.shape;
    if constexpr (whole_batch_ranges<Policy>) {
      LOWBIT_TRY((dynamic_importer<Policy, checkpoint_reader>(model_, reader_).run()));
      for (const linear_layout& layer : linear_layers(s)) {
        if (layer.at == site::classifier)
          LOWBIT_TRY((linear_layer<linear_format<f32, activation::f32>>(layer)));
      }
      if (s.head == head_kind::masked_lm) LOWBIT_TRY(masked_lm_bias(s.vocabulary));
      return reader_.check_all_known(model_);
    } else {
      return run_generic<Policy>();
    }
  }

 private:
  template <class Policy>
  status run_generic() {
    const model_shape& s = model_.config.shape;
    LOWBIT_TRY((matrix<typename Policy::embedding>(part_text(model_part::word_embeddings),
                                                   s.vocabulary, s.hidden, names_formats<Policy>)));
    LOWBIT_TRY(
        floats(part_text(model_part::position_embeddings, 0, ".weight"), {s.positions, s.hidden}));
    LOWBIT_TRY(floats(part_text(model_part::token_type_embeddings, 0, ".weight"),
                      {s.token_types, s.hidden}));
    for (const std::string& norm : layer_norms(s)) {
      LOWBIT_TRY(floats(norm + ".weight", {s.hidden}));
      LOWBIT_TRY(floats(norm + ".bias", {s.hidden}));
    }
    for (const linear_layout& layer : linear_layers(s)) {
      LOWBIT_TRY(with_policy_of<Policy>(
          layer, [&]<class P>(std::type_identity<P>) { return site_layer<P>(layer); }));
    }
    if constexpr (std::is_same_v<typename Policy::attention, elastic_attention>) {
      for (std::size_t l = 0; l < s.layers; ++l) LOWBIT_TRY(elastic_scales(l));
    }
    if (s.head == head_kind::masked_lm) LOWBIT_TRY(masked_lm_bias(s.vocabulary));
    return reader_.check_all_known(model_);
  }

  status floats(const std::string& name, const std::vector<std::size_t>& shape) {
    return floats(name, shape, name);
  }

  /// Borrows an F32 tensor from its file, converts any other float type.
  status floats(const std::string& name, const std::vector<std::size_t>& shape,
                const std::string& as) {
    LOWBIT_TRY_ASSIGN(const auto values, reader_.read(name, shape));
    const tensor_view* t = reader_.find(name);
    const std::size_t bytes = values.size() * sizeof(float);
    if (t->type == element_type::f32) {
      model_.borrow(as, element_type::f32, shape, t->data);
    } else {
      model_.own(as, shape, values);
    }
    model_.report.push_back({name, f32::name, shape, t->data.size(), bytes, 0});
    return {};
  }

  /// Encoders that learn codecs from the file find their names there; those of popcount products
  /// know them.
  template <class Policy>
  static constexpr bool names_formats =
      !std::is_base_of_v<counting_op, typename Policy::linear::op>;

  template <class Codec>
  status matrix(const std::string& name, std::size_t n, std::size_t k, bool named) {
    const std::string weight = name + ".weight";
    if constexpr (std::is_same_v<Codec, f32>) {
      return floats(weight, {n, k});
    } else {
      LOWBIT_TRY_ASSIGN(const auto values, reader_.read(weight, {n, k}));
      const matrix_view<const float> w{values.data(), n, k, k};
      if constexpr (is_sign<Codec>) {
        if (model_.config.recognised == scheme::bit) {
          return add_encoded<Codec>(model_, weight, w, encode_with_running_mean(Codec{}, w), named)
              .in(reader_.place());
        }
      }
      return add_matrix<Codec>(model_, weight, w, named).in(reader_.place());
    }
  }

  /// function(std::type_identity<P>) for the policy of the encoder layer that a matrix belongs to;
  /// what follows the encoder belongs to the last.
  template <class Policy, class Function>
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

  template <class Policy>
  status site_layer(const linear_layout& layer) {
    using formats = site_formats<Policy>;
    switch (layer.at) {
      case site::projection:
        return linear_layer<typename formats::projection>(layer);
      case site::attention_output:
        return linear_layer<typename formats::attention_output>(layer);
      case site::feed_forward_input:
        return linear_layer<typename formats::feed_forward_input>(layer);
      case site::feed_forward_output:
        return linear_layer<typename formats::feed_forward_output>(layer);
      case site::pooler:
        return linear_layer<typename formats::pooler>(layer);
      case site::classifier:
        break;
    }
    return linear_layer<linear_format<f32, activation::f32>>(layer);
  }

  template <class Format>
  status linear_layer(const linear_layout& layer) {
    constexpr bool named = !std::is_base_of_v<counting_op, typename Format::op>;
    LOWBIT_TRY(matrix<typename Format::weights>(layer.name, layer.n, layer.k, named));
    LOWBIT_TRY(floats(layer.name + ".bias", {layer.n}));
    using input = typename Format::input;
    if constexpr (std::is_same_v<input, activation::elastic_sign> ||
                  std::is_same_v<input, activation::elastic_bool>) {
      LOWBIT_TRY(floats(layer.name + ".move.bias", {layer.k}, layer.name + ".input.shift"));
      LOWBIT_TRY(elastic_scale(layer.name + ".input_clip_val", layer.name + ".input.scale"));
    } else if constexpr (std::is_same_v<input, activation::int8_static>) {
      LOWBIT_TRY(trained_range(layer));
    }
    return {};
  }

  status elastic_scales(std::size_t l) {
    const std::string self = part_text(model_part::attention, l, ".");
    LOWBIT_TRY(elastic_scale(self + "clip_query", self + "query.output.scale"));
    LOWBIT_TRY(elastic_scale(self + "clip_key", self + "key.output.scale"));
    LOWBIT_TRY(elastic_scale(self + "clip_value", self + "value.output.scale"));
    return elastic_scale(self + "clip_attn", self + "probability.scale");
  }

  /// The decoder's bias, and that its weights are the word embeddings where the file has both.
  status masked_lm_bias(std::size_t vocabulary) {
    const std::string base = part_text(model_part::masked_lm, 0, ".");
    LOWBIT_TRY(floats(base + "bias", {vocabulary}));
    if (const tensor_view* copy = reader_.find(base + "decoder.bias"))
      LOWBIT_TRY(check_same(*copy, *reader_.find(base + "bias")));
    if (const tensor_view* copy = reader_.find(base + "decoder.weight"))
      return check_same(*copy, *reader_.find(part_text(model_part::word_embeddings, 0, ".weight")));
    return {};
  }

  /// The range of a layer's input as its scale; q, k and v read the same rows and share that of the
  /// query.
  status trained_range(const linear_layout& layer) {
    const std::string name = part_text(
        layer.at == site::projection ? model_part::query : layer.part, layer.layer, ".input.range");
    LOWBIT_TRY_ASSIGN(const auto range, reader_.read(name, {1}));
    LOWBIT_TRY(check_range(reader_.find(name)->place(), range[0]));
    const float scale[] = {range[0] / 127.0F};
    model_.own(layer.name + ".input.scale", {1}, scale);
    if (name.starts_with(layer.name))
      model_.report.push_back({name, f32::name, {1}, sizeof(float), sizeof(float), 0});
    return {};
  }

  /// A learned scale, limited below as BiT's forward does.
  status elastic_scale(const std::string& name, const std::string& as) {
    LOWBIT_TRY_ASSIGN(const auto value, reader_.read(name, {1}));
    if (value[0] == 1.0F) {
      model_.warnings.push_back(name +
                                " is exactly 1: BiT's own code would replace it at the first call");
    }
    constexpr float least = 1e-5F;
    const float limited[] = {std::max(value[0], least)};
    model_.own(as, {1}, limited);
    model_.report.push_back({name, f32::name, {1}, sizeof(float), sizeof(float), 0});
    return {};
  }

  canonical_model& model_;
  checkpoint_reader& reader_;
};

}  // namespace detail

/// Imports a checkpoint folder under a policy type, the library's or a user's. `model` brings
/// config, policy name and zero rule. Errors: those of checkpoint_tensors::open; shape_mismatch,
/// not_found, malformed, unsupported naming the tensor
template <class Policy>
result<canonical_model> import_checkpoint(const std::filesystem::path& folder,
                                          canonical_model model) {
  return detail::without_exceptions(folder.native(), [&]() -> result<canonical_model> {
    LOWBIT_TRY_ASSIGN(auto files, checkpoint_tensors::open(folder));
    const std::string& place = folder.native();
    model.keep_open(std::move(files));
    LOWBIT_TRY_ASSIGN(auto reader, detail::checkpoint_reader::open(model.files(), place));
    LOWBIT_TRY(detail::find_head(model.config, model.files(), place));
    if constexpr (whole_batch_ranges<Policy>) detail::find_attention_width(model.config, reader);
    LOWBIT_TRY(model.config.shape.check().in(place));
    LOWBIT_TRY((detail::importer(model, reader).template run<Policy>()));
    if (std::is_base_of_v<counting_op, typename Policy::linear::op> &&
        model.config.recognised == scheme::fp32) {
      model.warnings.push_back("the checkpoint was not trained for policy " + model.policy +
                               ": expect no accuracy");
    }
    return std::move(model);
  });
}

}  // namespace lowbit::inline LOWBIT_ISA
