// SPDX-License-Identifier: Apache-2.0
// libFuzzer target: any bytes are a JSON value that survives writing and reading, or an error; and
// any JSON value is a config with a checked shape, or an error.
#include "lowbit/io/config.hpp"
#include "mutate.hpp"

namespace {

using namespace lowbit_fuzz;

const words known = words_of(
    "num_hidden_layers hidden_size num_attention_heads intermediate_size vocab_size "
    "max_position_embeddings type_vocab_size hidden_act gelu relu silu num_labels id2label "
    "label2id layer_norm_eps architectures BertForMaskedLM weight_bits input_bits "
    "weight_quant_method bwn twn input_quant_method elastic lsq quantization_config "
    "quant_method lowbit format_version policy zero plus-one torch dyna_hidden_size "
    "problem_type regression");

/// A valid config with the fields of the value on top, so that mutants need not hold all of them.
void check_merged(const nlohmann::json& value) {
  nlohmann::json config = {{"num_hidden_layers", 2},   {"hidden_size", 128},
                           {"num_attention_heads", 2}, {"intermediate_size", 512},
                           {"vocab_size", 1000},       {"max_position_embeddings", 64}};
  config.update(value);
  const auto parsed = lowbit::parse_config(config, "fuzz");
  if (!parsed) {
    require_message(parsed.status());
    return;
  }
  lowbit::model_shape shape = parsed->shape;
  require(parsed->labels.empty() || parsed->labels.size() == shape.labels);
  if (shape.labels == 0) shape.labels = 1;
  require(shape.check().ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto value = lowbit::parse_json(text_of(data, size), "fuzz");
  if (!value) {
    require_message(value.status());
    return 0;
  }
  ++accepted;
  const auto again = lowbit::parse_json(value->dump(), "fuzz");
  require(again.ok() && *again == *value);
  if (const auto config = lowbit::parse_config(*value, "fuzz"); !config)
    require_message(config.status());
  if (value->is_object()) check_merged(*value);
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  return mutate_parts(data, size, max_size, seed, 0, {part_kind::json}, known);
}
