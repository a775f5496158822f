// SPDX-License-Identifier: Apache-2.0
// Selects the training scheme of a model folder from its config.json.
#pragma once

#include <filesystem>
#include <memory>

#include "lowbit/core/status.hpp"
#include "lowbit/io/checkpoint_reader.hpp"
#include "lowbit/io/checkpoint_tensors.hpp"
#include "lowbit/io/config.hpp"
#include "lowbit/io/quantized_bert_config.hpp"
#include "lowbit/train/model/bibert.hpp"
#include "lowbit/train/model/bit.hpp"
#include "lowbit/train/model/q8bert.hpp"
#include "lowbit/train/model/scheme.hpp"
#include "lowbit/train/model/ternarybert.hpp"

namespace lowbit::train {

namespace detail {

/// A TernaryBERT or BinaryBERT model; only its tensors tell whether it is split.
inline result<scheme_ptr> low_bit_weight_scheme_of(const model_config& config,
                                                   const std::filesystem::path& folder) {
  LOWBIT_TRY_ASSIGN(const auto fields,
                    lowbit::detail::read_quantized_bert_fields(config, folder.native()));
  const auto bits = static_cast<unsigned>(fields.input_bits);
  if (config.recognised == lowbit::scheme::ternarybert) {
    return scheme_ptr(std::make_shared<ternarybert_scheme>(bits, fields.clip));
  }
  LOWBIT_TRY_ASSIGN(const auto files, checkpoint_tensors::open(folder));
  binarybert_format format;
  format.input_bits = bits;
  format.ternary = fields.weight_bits == 2;
  format.split = files.find(part_text(model_part::word_embeddings, 0, "_1.weight")) != nullptr;
  format.learned_steps = fields.learned_steps;
  format.hidden_act = config.shape.hidden_act;
  return scheme_ptr(std::make_shared<binarybert_scheme>(format));
}

/// A q8bert model trained by recipe qat. Missing ranges are reported when the model is loaded.
inline result<scheme_ptr> q8bert_scheme_of(const std::filesystem::path& folder) {
  LOWBIT_TRY_ASSIGN(const auto files, checkpoint_tensors::open(folder));
  for (const tensor_view& t : files.tensors()) {
    if (!t.name.ends_with(range_suffix)) continue;
    LOWBIT_TRY_ASSIGN(const auto values, read_f32(t));
    for (const float v : values) LOWBIT_TRY(lowbit::detail::check_range(t.place(), v));
  }
  return scheme_ptr(std::make_shared<q8bert_scheme>());
}

inline result<scheme_ptr> scheme_by_name(const model_config& config,
                                         const std::filesystem::path& folder) {
  switch (config.recognised) {
    case lowbit::scheme::fp32:
      return scheme_ptr(std::make_shared<float_scheme>(config.shape.hidden_act));
    case lowbit::scheme::bibert:
      return scheme_ptr(std::make_shared<bibert_scheme>());
    case lowbit::scheme::bit: {
      LOWBIT_TRY_ASSIGN(const auto bits, json_size(config.raw, "input_bits", folder.native()));
      return scheme_ptr(std::make_shared<bit_scheme>(static_cast<unsigned>(bits)));
    }
    case lowbit::scheme::ternarybert:
    case lowbit::scheme::binarybert:
      return low_bit_weight_scheme_of(config, folder);
    case lowbit::scheme::q8bert:
      if (has_trained_ranges(config.raw)) return q8bert_scheme_of(folder);
      [[fallthrough]];
    default:
      return status::error(errc::unsupported, folder.native(), ": a ",
                           scheme_name(config.recognised),
                           " model, which cannot be trained or taught from here");
  }
}

}  // namespace detail

/// `config` as returned by load_training_config.
/// Errors: unsupported for a scheme that cannot be trained, and for an activation function that it
///         does not have
inline result<scheme_ptr> scheme_of(const model_config& config,
                                    const std::filesystem::path& folder) {
  LOWBIT_TRY_ASSIGN(auto how, detail::scheme_by_name(config, folder));
  const activation_function found = config.shape.hidden_act;
  if (how->hidden_act() == found) return how;
  return status::error(errc::unsupported, folder.native(), ": hidden_act is ", name_of(found),
                       ", expected ", name_of(how->hidden_act()), " in a ", how->name(), " model");
}

}  // namespace lowbit::train
