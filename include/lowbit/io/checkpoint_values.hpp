// SPDX-License-Identifier: Apache-2.0
// Imports what a checkpoint stores as plain floats: tables, norms, biases, and the clips, steps and
// ranges that training codes store beside the weights.
#pragma once

#include "lowbit/codec/codec.hpp"
#include "lowbit/io/checkpoint_reader.hpp"
#include "lowbit/io/model_layout.hpp"
#include "lowbit/io/quantized_bert_config.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// If the config does not specify the width of q, k and v, takes it from the tensors.
inline void find_attention_width(model_config& config, checkpoint_reader& reader) {
  if (find_member(config.raw, "dyna_hidden_size") != nullptr) return;
  const std::string query = part_text(model_part::query);
  const tensor_view* t = reader.find(query + ".weight");
  if (t == nullptr) t = reader.find(query + "_1.weight");
  if (t == nullptr || t->shape.size() != 2 || t->shape[0] == config.shape.hidden) return;
  config.shape.attention = t->shape[0];
  config.raw["dyna_hidden_size"] = t->shape[0];  // so that a packed folder specifies it
}

/// The part of an importer that does not depend on the policy.
class checkpoint_values {
 public:
  checkpoint_values(canonical_model& model, checkpoint_reader& reader)
      : model_(model), reader_(reader), scheme_(model.config.recognised) {}

 protected:
  /// Borrows an F32 tensor from its file, without the first `skipped` values; converts other float
  /// types. shape: without them.
  status floats(const std::string& name, const std::vector<std::size_t>& stored,
                const std::vector<std::size_t>& shape, const std::string& as, std::size_t skipped) {
    LOWBIT_TRY_ASSIGN(const auto values, reader_.read(name, stored));
    const tensor_view* t = reader_.find(name);
    const std::span<const float> kept = std::span(values).subspan(skipped);
    if (t->type == element_type::f32) {
      model_.borrow(as, element_type::f32, shape, t->data.subspan(skipped * sizeof(float)));
    } else {
      model_.own(as, shape, kept);
    }
    model_.report.push_back({name, f32::name, shape, t->data.size(), kept.size_bytes(), 0});
    return {};
  }
  status floats(const std::string& name, const std::vector<std::size_t>& shape,
                const std::string& as) {
    return floats(name, shape, shape, as, 0);
  }
  /// Imports a table (rows, cols) that has `skipped` more rows at its start.
  status table(const std::string& name, std::size_t rows, std::size_t cols, std::size_t skipped) {
    return floats(name, {skipped + rows, cols}, {rows, cols}, name, skipped * cols);
  }
  status floats(const std::string& name, const std::vector<std::size_t>& shape) {
    return floats(name, shape, name);
  }
  /// A bias; zeros if the part has none.
  status bias(const std::string& name, model_part part, std::size_t count) {
    const auto& without = model_.config.without_bias;
    if (std::find(without.begin(), without.end(), part) == without.end())
      return floats(name, {count});
    model_.own(name, {count}, std::vector<float>(count));
    return {};
  }
  /// Adds a few values from the training code under the name that engines read.
  void add_values(const std::string& name, const std::string& as,
                  const std::vector<float>& values) {
    const std::size_t bytes = values.size() * sizeof(float);
    model_.own(as, {values.size()}, values);
    model_.report.push_back({name, f32::name, {values.size()}, bytes, bytes, 0});
  }

  /// Imports the decoder's bias, and checks that stored decoder weights equal the word embeddings.
  status masked_lm_bias(std::size_t vocabulary) {
    const std::string base = part_text(model_part::masked_lm, 0, ".");
    LOWBIT_TRY(bias(base + "bias", model_part::masked_lm, vocabulary));
    const tensor_view* const own = reader_.find(base + "bias");
    const tensor_view* const same = reader_.find(base + "decoder.bias");
    if (own != nullptr && same != nullptr) LOWBIT_TRY(check_same(*same, *own));
    if (const tensor_view* copy = reader_.find(base + "decoder.weight"))
      return check_same(*copy, *reader_.find(part_text(model_part::word_embeddings, 0, ".weight")));
    return {};
  }

  /// The interval `name`, or the one in the config if the checkpoint has none.
  result<std::vector<float>> interval(const std::string& name) {
    if (reader_.find(name) == nullptr) return std::vector<float>{-fields_->clip, fields_->clip};
    return reader_.read(name, {2});
  }

  /// Imports the interval of an activation whose range is found at run time.
  status clip(const std::string& name, const std::string& as) {
    LOWBIT_TRY_ASSIGN(const auto values, interval(name));
    add_values(name, as, values);
    return {};
  }
  /// Imports the step of an activation of BinaryBERT.
  status learned_step(const std::string& name, const std::string& as) {
    LOWBIT_TRY_ASSIGN(const auto values, step(name, "BinaryBERT"));
    add_values(name, as, values);
    return {};
  }

  /// Imports the range of a layer's input as its scale; q, k and v read the same rows and share the
  /// range of the query.
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

  /// Imports a learned scale with the lower limit that BiT's forward pass applies.
  status elastic_scale(const std::string& name, const std::string& as) {
    constexpr float least = 1e-5F;
    LOWBIT_TRY_ASSIGN(auto value, step(name, "BiT"));
    value[0] = std::max(value[0], least);
    add_values(name, as, value);
    return {};
  }
  /// A learned step or scale; warns if the training code would not have kept it.
  result<std::vector<float>> step(const std::string& name, const char* code) {
    LOWBIT_TRY_ASSIGN(auto value, reader_.read(name, {1}));
    if (value[0] == 1.0F) {
      model_.warnings.push_back(name + " is exactly 1: " + code +
                                "'s own code would replace it at the first call");
    }
    return value;
  }

  canonical_model& model_;
  checkpoint_reader& reader_;
  scheme scheme_;
  std::optional<quantized_bert_fields> fields_;  // TernaryBERT and BinaryBERT only
};

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
