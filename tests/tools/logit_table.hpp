// SPDX-License-Identifier: Apache-2.0
// What tests/golden/logits.txt holds: which models a policy takes, the sentences, and the hashes of
// their logits.
#pragma once

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

#include "packed_model.hpp"
#include "random_values.hpp"

namespace lowbit_test {

using lowbit::canonical_model;
using lowbit::head_kind;
using lowbit_tool::token_rows;

/// "bibert plus-one" is policy bibert with another value at zero.
inline lowbit::load_options options_of(const std::string& name) {
  const std::size_t space = name.find(' ');
  return {.policy = name.substr(0, space),
          .zero = space == std::string::npos ? "" : name.substr(space + 1)};
}

struct table_model {
  std::string name;
  canonical_model model;
};

/// What `name` can run, of the models that `wanted` names; nothing for the other models.
template <class Wanted>
std::vector<table_model> models_of(const std::string& name, Wanted wanted) {
  std::vector<table_model> models;
  const lowbit::load_options options = options_of(name);
  const std::filesystem::path golden(LOWBIT_TEST_DATA);
  for (const auto& parent : {golden, golden.parent_path().parent_path() / "models"}) {
    for (const auto& folder : std::filesystem::directory_iterator(parent)) {
      if (!folder.is_directory() || !wanted(folder.path().filename().string())) continue;
      auto model = lowbit::open_model(folder.path(), options);
      if (model) models.push_back({folder.path().filename().string(), *std::move(model)});
    }
  }
  for (const head_kind head :
       {head_kind::sequence, head_kind::token, head_kind::span, head_kind::masked_lm,
        head_kind::mean_embedding, head_kind::cls_embedding}) {
    const std::string random = "random-" + std::string(name_of(head));
    if (!wanted(random)) continue;
    lowbit::model_shape shape{3, 72, 4, 140, 211, 40, 2, 3};
    shape.head = head;
    if (head == head_kind::span) shape.labels = 2;
    auto model = lowbit_tool::random_model(shape, options.policy, options.zero, 5);
    if (model) models.push_back({random, *std::move(model)});
  }
  return models;
}
inline std::vector<table_model> models_of(const std::string& name) {
  return models_of(name, [](const std::string&) { return true; });
}

/// Three sentences, the longest 17 tokens where the model takes that many; a masked language model
/// answers two tokens of each.
inline std::vector<token_rows> sentences_of(const lowbit::model_shape& shape) {
  std::vector<token_rows> sentences;
  lowbit_tool::random_values random(11);
  for (const std::size_t length :
       {std::size_t{2}, std::min<std::size_t>(17, shape.positions), std::size_t{9}}) {
    token_rows rows;
    // The types first: the table was recorded so, and compilers differ in the order of arguments.
    const std::vector<std::int32_t> types = random.tokens(length, shape.token_types);
    rows.add(random.tokens(length, shape.vocabulary), types);
    rows.masked = {0, 1};
    sentences.push_back(std::move(rows));
  }
  return sentences;
}

inline token_rows batch_of(const std::vector<token_rows>& sentences) {
  token_rows batch;
  for (const token_rows& s : sentences) {
    for (const std::uint32_t row : s.masked) batch.masked.push_back(batch.offsets.back() + row);
    batch.add(s.ids, s.type_ids);
  }
  return batch;
}

inline std::string hash_of(const std::vector<float>& values) {  // FNV-1a
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
  for (std::size_t i = 0; i < values.size() * sizeof(float); ++i)
    hash = (hash ^ bytes[i]) * 0x100000001b3;
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

/// "ALONE BATCH": the hash of the sentences' logits one by one, and of the batch's.
inline std::string hashes_of(const canonical_model& model, const lowbit::engine& engine,
                             std::size_t threads) {
  const packed_model packed(model, engine);
  std::vector<float> alone;
  const std::vector<token_rows> sentences = sentences_of(model.config.shape);
  for (const token_rows& s : sentences) {
    const std::vector<float> values = packed.run(s, threads);
    REQUIRE(!values.empty());
    alone.insert(alone.end(), values.begin(), values.end());
  }
  const token_rows batch = batch_of(sentences);
  const bool pads = lowbit::find_policy(model.policy)->padded;
  const std::vector<float> together = packed.run(pads ? batch.padded() : batch, threads);
  REQUIRE(!together.empty());
  return hash_of(alone) + ' ' + hash_of(together);
}

inline const std::string table_path = std::string(LOWBIT_TEST_DATA) + "/logits.txt";

/// The table: "ALONE BATCH" of "MODEL, POLICY".
inline std::map<std::string, std::string> recorded_logits() {
  std::map<std::string, std::string> table;
  std::ifstream file(table_path);
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (!line.starts_with('#')) table[line.substr(0, colon)] = line.substr(colon + 2);
  }
  return table;
}

}  // namespace lowbit_test
