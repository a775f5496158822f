// SPDX-License-Identifier: Apache-2.0
// libFuzzer target: any bytes are a JSON value that survives writing and reading, or an error; and
// any JSON value is a config with a checked shape, or an error.
//
//   clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
//       -Iinclude tests/fuzz/json_config_fuzz.cpp -o json_config_fuzz
//   ./json_config_fuzz -max_total_time=300 -max_len=4096 -malloc_limit_mb=16
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "lowbit/io/config.hpp"

namespace {

void require(bool condition) {
  if (!condition) __builtin_trap();
}

/// A valid config with the fields of the value on top, so that mutants need not hold all of them.
void check_merged(const nlohmann::json& value) {
  nlohmann::json config = {{"num_hidden_layers", 2},   {"hidden_size", 128},
                           {"num_attention_heads", 2}, {"intermediate_size", 512},
                           {"vocab_size", 1000},       {"max_position_embeddings", 64}};
  config.update(value);
  const auto parsed = lowbit::parse_config(config, "fuzz");
  if (!parsed) {
    require(!parsed.status().message().empty());
    return;
  }
  lowbit::model_shape shape = parsed->shape;
  require(parsed->labels.empty() || parsed->labels.size() == shape.labels);
  if (shape.labels == 0) shape.labels = 1;
  require(shape.check().ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto value = lowbit::parse_json(text, "fuzz");
  if (!value) {
    require(!value.status().message().empty());
    return 0;
  }
  const auto again = lowbit::parse_json(value->dump(), "fuzz");
  require(again.ok() && *again == *value);
  (void)lowbit::parse_config(*value, "fuzz");
  if (value->is_object()) check_merged(*value);
  return 0;
}
