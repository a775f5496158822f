// SPDX-License-Identifier: Apache-2.0
// TernaryBERT and BinaryBERT checkpoints to canonical tensors: which policy a config and its
// tensors describe, and the encoder's weights, clips and steps by their original names. Heads are
// the caller's.
#pragma once

#include "lowbit/codec/running_mean.hpp"
#include "lowbit/io/canonical_model.hpp"
#include "lowbit/io/model_layout.hpp"
#include "lowbit/nn/batch_range.hpp"
#include "lowbit/policy/quantized_bert.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// What config.json says of a TernaryBERT or BinaryBERT model.
struct dynamic_fields {
  std::size_t weight_bits = 2;
  std::size_t input_bits = 8;
  bool learned_steps = false;  // LSQ
  float clip = 2.5F;           // where the checkpoint holds no clip of its own
};

inline status unsupported_field(std::string_view place, std::string_view field,
                                const std::string& found, std::string_view expected) {
  return status::error(errc::unsupported, place, ": ", field, " is ", found, ", expected ",
                       expected);
}

inline status check_input_bits(const dynamic_fields& f, std::string_view place) {
  const std::size_t b = f.input_bits;
  if (b == 2 || b == 4 || (b == 8 && !f.learned_steps)) return {};
  return unsupported_field(place, "input_bits", std::to_string(b),
                           f.learned_steps ? "4 or 2 with input_quant_method lsq" : "8, 4 or 2");
}

/// The fields of BinaryBERT's training program.
inline result<dynamic_fields> read_binarybert_fields(const nlohmann::json& config,
                                                     std::string_view place) {
  struct rule {
    std::string_view field;
    bool expected;
  };
  constexpr rule rules[] = {{"sym_quant_qkvo", true},
                            {"sym_quant_ffn_attn", false},
                            {"weight_layerwise", true},
                            {"input_layerwise", true},
                            {"embed_layerwise", false}};
  for (const rule& r : rules) {
    const auto value = json_bool(config, r.field, place, r.expected);
    if (!value) return value.status();
    if (*value != r.expected) {
      return unsupported_field(place, r.field, *value ? "true" : "false",
                               r.expected ? "true" : "false");
    }
  }
  const auto weights = json_string(config, "weight_quant_method", place);
  if (!weights) return weights.status();
  const auto inputs = json_string(config, "input_quant_method", place);
  if (!inputs) return inputs.status();
  const auto weight_bits = json_size(config, "weight_bits", place);
  if (!weight_bits) return weight_bits.status();
  const auto input_bits = json_size(config, "input_bits", place);
  if (!input_bits) return input_bits.status();
  const auto clip = json_float(config, "clip_init_val", place, 2.5F);
  if (!clip) return clip.status();
  if (!(*weight_bits == 1 && *weights == "bwn") && !(*weight_bits == 2 && *weights == "twn")) {
    return status::error(errc::unsupported, place, ": weight_quant_method is ",
                         quote_name(*weights), " with weight_bits ", *weight_bits,
                         ", expected bwn with 1 or twn with 2");
  }
  if (*inputs != "uniform" && *inputs != "lsq") {
    return unsupported_field(place, "input_quant_method", quote_name(*inputs), "uniform or lsq");
  }
  const dynamic_fields fields{*weight_bits, *input_bits, *inputs == "lsq", *clip};
  LOWBIT_TRY(check_input_bits(fields, place));
  return fields;
}

inline result<dynamic_fields> read_dynamic_fields(const model_config& config,
                                                  std::string_view place) {
  if (config.recognised == scheme::binarybert) return read_binarybert_fields(config.raw, place);
  const auto input_bits = json_size(config.raw, "input_bits", place, 8);
  if (!input_bits) return input_bits.status();
  const auto clip = json_float(config.raw, "clip_val", place, 2.5F);
  if (!clip) return clip.status();
  const dynamic_fields fields{2, *input_bits, false, *clip};
  LOWBIT_TRY(check_input_bits(fields, place));
  return fields;
}

inline bool is_dynamic_scheme(scheme s) {
  return s == scheme::ternarybert || s == scheme::binarybert;
}

/// The name of the policy that a TernaryBERT or BinaryBERT checkpoint describes; whether it is
/// split only its tensors say.
/// Errors: unsupported, not_found or malformed naming the field
inline result<std::string> dynamic_policy_name(const model_config& config, bool split,
                                               std::string_view place) {
  const auto fields = read_dynamic_fields(config, place);
  if (!fields) return fields.status();
  const activation_function act = config.shape.hidden_act;
  if (config.recognised == scheme::ternarybert && act != activation_function::gelu) {
    return unsupported_field(place, "hidden_act", quote_name(name_of(act)),
                             "\"gelu\" for a TernaryBERT model");
  }
  std::string name = config.recognised == scheme::ternarybert ? "ternarybert" : "binarybert";
  if (split) name += "_split";
  name += "_w" + std::to_string(fields->weight_bits) + "a" + std::to_string(fields->input_bits);
  if (fields->input_bits != 8 && config.recognised == scheme::binarybert && !fields->learned_steps)
    name += "_dynamic";
  return name;
}

/// The width of q, k and v where the config does not say it: that of the tensors.
template <class Reader>
void find_attention_width(model_config& config, Reader& reader) {
  if (find_member(config.raw, "dyna_hidden_size") != nullptr) return;
  const std::string query = "bert.encoder.layer.0.attention.self.query";
  const tensor_view* t = reader.find(query + ".weight");
  if (t == nullptr) t = reader.find(query + "_1.weight");
  if (t == nullptr || t->shape.size() != 2 || t->shape[0] == config.shape.hidden) return;
  config.shape.attention = t->shape[0];
  config.raw["dyna_hidden_size"] = t->shape[0];  // a packed folder says it
}

/// Imports the encoder and the pooler of one checkpoint under Policy. Reader: find(name) and
/// read(name, shape), as checkpoint_reader.
template <class Policy, class Reader>
class dynamic_importer {
  using formats = site_formats<Policy>;

 public:
  dynamic_importer(canonical_model& model, Reader& reader) : model_(model), reader_(reader) {}

  /// Errors: those of read(); unsupported or malformed naming the field of config.json
  status run() {
    const auto fields = read_dynamic_fields(model_.config, reader_.place());
    if (!fields) return fields.status();
    fields_ = *fields;
    const model_shape& s = model_.config.shape;
    LOWBIT_TRY(table("bert.embeddings.word_embeddings"));
    LOWBIT_TRY(floats("bert.embeddings.position_embeddings.weight", {s.positions, s.hidden}));
    LOWBIT_TRY(floats("bert.embeddings.token_type_embeddings.weight", {s.token_types, s.hidden}));
    for (const std::string& norm : layer_norms(s)) {
      LOWBIT_TRY(floats(norm + ".weight", {s.hidden}));
      LOWBIT_TRY(floats(norm + ".bias", {s.hidden}));
    }
    for (const linear_layout& layer : linear_layers(s)) {
      if (layer.at == site::classifier) continue;
      if (layer.at == site::pooler && s.head != head_kind::sequence) continue;
      if (layer.at == site::feed_forward_output) {
        LOWBIT_TRY(linear_layer<typename formats::feed_forward_output>(layer));
      } else {
        LOWBIT_TRY(linear_layer<typename formats::projection>(layer));
      }
    }
    for (std::size_t l = 0; l < s.layers; ++l) LOWBIT_TRY(attention(l));
    return {};
  }

 private:
  static constexpr bool split = is_split<Policy>;
  /// TernaryBERT keeps its clips as buffers beside the weights and activations.
  [[nodiscard]] bool ternarybert() const { return model_.config.recognised == scheme::ternarybert; }

  /// Borrows an F32 tensor from its file, converts any other float type.
  status floats(const std::string& name, const std::vector<std::size_t>& shape) {
    const auto values = reader_.read(name, shape);
    if (!values) return values.status();
    const tensor_view* t = reader_.find(name);
    if (t->type == element_type::f32) {
      model_.borrow(name, element_type::f32, shape, t->data);
    } else {
      model_.own(name, shape, *values);
    }
    model_.report.push_back(
        {name, f32::name, shape, t->data.size(), values->size() * sizeof(float), 0});
    return {};
  }

  /// The interval `name`, or the config's where the checkpoint does not hold it.
  result<std::vector<float>> interval(const std::string& name) {
    if (reader_.find(name) == nullptr) return std::vector<float>{-fields_.clip, fields_.clip};
    return reader_.read(name, {2});
  }

  template <class Codec>
  status matrix(const std::string& name, std::size_t n, std::size_t k) {
    auto values = reader_.read(name + ".weight", {n, k});
    if (!values) return values.status();
    if (ternarybert()) {
      const auto clip = interval(name + ".weight_clip_val");
      if (!clip) return clip.status();
      for (float& w : *values) {
        w = w < (*clip)[1] ? w : (*clip)[1];
        w = w > (*clip)[0] ? w : (*clip)[0];
      }
    }
    const std::string weight = name + ".weight";
    auto encoded = encode_with_running_mean(Codec{}, {values->data(), n, k, k});
    if (!encoded) return encoded.status().in(weight).in(reader_.place());
    model_.report.push_back({weight,
                             Codec::name,
                             {n, k},
                             n * k * sizeof(float),
                             encoded->bytes(),
                             encoded->report.ties});
    for (encoded_tensor& t : encoded->tensors)
      model_.own(weight + t.suffix, t.type, std::move(t.shape), std::move(t.bytes));
    return {};
  }

  status table(const std::string& name) {
    const model_shape& s = model_.config.shape;
    using codec = typename Policy::embedding;
    if constexpr (split) {
      LOWBIT_TRY(matrix<typename codec::half>(name + "_1", s.vocabulary, s.hidden));
      return matrix<typename codec::half>(name + "_2", s.vocabulary, s.hidden);
    } else {
      return matrix<codec>(name, s.vocabulary, s.hidden);
    }
  }

  template <class Format>
  status linear_layer(const linear_layout& layer) {
    const std::string halves[] = {layer.name + "_1", layer.name + "_2"};
    for (std::size_t h = 0; h < (split ? 2 : 1); ++h) {
      const std::string& name = split ? halves[h] : layer.name;
      LOWBIT_TRY(matrix<typename Format::weights>(name, layer.n, layer.k));
      LOWBIT_TRY(floats(name + ".bias", {layer.n}));
      LOWBIT_TRY(encoding<typename Format::input>(
          name + (ternarybert() ? ".act_clip_val" : ".input_clip_val"), name + ".input"));
    }
    return {};
  }

  status attention(std::size_t l) {
    const std::string self = "bert.encoder.layer." + std::to_string(l) + ".attention.self.";
    using projected = typename Policy::attention::projected;
    LOWBIT_TRY(encoding<projected>(self + "clip_query", self + "query.output"));
    LOWBIT_TRY(encoding<projected>(self + "clip_key", self + "key.output"));
    LOWBIT_TRY(encoding<projected>(self + "clip_value", self + "value.output"));
    return encoding<typename Policy::attention::probability>(self + "clip_attn",
                                                             self + "probability");
  }

  /// A clip or a learned step.
  template <class Activation>
  status encoding(const std::string& name, const std::string& as) {
    constexpr bool dynamic = range_encoding<Activation>::is_dynamic;
    const auto values = dynamic ? interval(name) : reader_.read(name, {1});
    if (!values) return values.status();
    if (!dynamic && (*values)[0] == 1.0F) {
      model_.warnings.push_back(
          name + " is exactly 1: BinaryBERT's own code would replace it at the first call");
    }
    const std::size_t bytes = values->size() * sizeof(float);
    model_.own(as + (dynamic ? ".clip" : ".scale"), {values->size()}, *values);
    model_.report.push_back({name, f32::name, {values->size()}, bytes, bytes, 0});
    return {};
  }

  canonical_model& model_;
  Reader& reader_;
  dynamic_fields fields_;
};

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
