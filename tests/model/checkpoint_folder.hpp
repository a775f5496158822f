// SPDX-License-Identifier: Apache-2.0
// Folders of random checkpoints for the tests of opening them.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include "../io/crafted.hpp"
#include "../support/compare.hpp"
#include "lowbit/io/model_folder.hpp"
#include "random_model.hpp"

namespace lowbit_test {

using lowbit::head_kind;
using lowbit::policy::fp32;
using nlohmann::json;
namespace fs = std::filesystem;

inline lowbit::model_shape shape_of(head_kind head) {
  lowbit::model_shape s = ragged_shape();
  s.head = head;
  s.labels = head == head_kind::span ? 2 : 3;
  return s;
}

inline json config_of(const lowbit::model_shape& s, const std::string& architecture) {
  json config = {{"num_hidden_layers", s.layers},  {"hidden_size", s.hidden},
                 {"num_attention_heads", s.heads}, {"intermediate_size", s.intermediate},
                 {"vocab_size", s.vocabulary},     {"max_position_embeddings", s.positions}};
  if (!architecture.empty()) config["architectures"] = json::array({architecture});
  return config;
}

/// Writes f32 tensors as a checkpoint; a bare BertModel has names without "bert.".
inline void write_checkpoint(const fs::path& folder, const tensor_store& tensors,
                             const json& config, bool bare = false) {
  fs::create_directories(folder);
  std::vector<lowbit::tensor_to_write> all;
  for (const lowbit::stored_tensor& t : tensors.weights()) {
    std::string name = t.name;
    if (bare && name.starts_with("bert.")) name.erase(0, 5);
    const std::vector<std::size_t> shape(t.shape, t.shape + t.rank);
    all.push_back({name, lowbit::element_type::f32, shape, {t.data, t.elements() * sizeof(float)}});
  }
  REQUIRE(lowbit::write_safetensors(folder / "model.safetensors", all, {}).ok());
  crafted::write(folder / "config.json", config.dump());
}

inline void add_copy(tensor_store& tensors, const std::string& name, const std::string& of) {
  const lowbit::stored_tensor t = tensors.descriptor(of);
  std::vector<float> values;
  for (std::size_t i = 0; i < t.elements(); ++i) values.push_back(t.at(i));
  tensors.add(name, std::vector<std::size_t>(t.shape, t.shape + t.rank), values);
}

/// What opening such a checkpoint says, with FOLDER for its place.
inline std::string refusal(const tensor_store& tensors, const json& config) {
  const crafted::scratch_folder scratch;
  write_checkpoint(scratch.path(), tensors, config);
  const auto opened = lowbit::open_model(scratch.path());
  std::string text(opened.status().message());
  const std::string place = scratch.path().native();
  for (std::size_t at = text.find(place); at != std::string::npos; at = text.find(place))
    text.replace(at, place.size(), "FOLDER");
  return text;
}

/// Whether a message has a part; says both where it has not.
inline bool holds(const std::string& text, const std::string& part) {
  INFO(text << ", expected: " << part);
  CHECK(text.find(part) != std::string::npos);
  return true;
}

}  // namespace lowbit_test
