// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>

#include "lowbit/io/import.hpp"

namespace {

using mixed =
    lowbit::per_layer<lowbit::first<1, lowbit::policy::int8>, lowbit::rest<lowbit::policy::fp32>>;

lowbit::result<lowbit::canonical_model> import(const std::filesystem::path& folder) {
  auto config = lowbit::load_config(folder);
  if (!config) return config.status();
  lowbit::canonical_model model;
  model.config = *std::move(config);
  model.policy = mixed::name;
  return lowbit::import_checkpoint<mixed>(folder, std::move(model));
}

}  // namespace

TEST_CASE("a checkpoint is imported with the formats of each layer", "[import]") {
  const auto model = import(std::filesystem::path(LOWBIT_TEST_DATA) / "bert_h128");
  INFO(model.status().message());
  REQUIRE(model.ok());
  const auto has = [&](const char* name) { return model->weights().find(name) != nullptr; };
  REQUIRE(model->config.shape.layers >= 2);
  CHECK(has("bert.embeddings.word_embeddings.weight.codes"));  // of the first policy
  CHECK(has("bert.encoder.layer.0.output.dense.weight.codes"));
  CHECK_FALSE(has("bert.encoder.layer.0.output.dense.weight"));
  CHECK(has("bert.encoder.layer.1.attention.self.query.weight"));
  CHECK_FALSE(has("bert.encoder.layer.1.attention.self.query.weight.codes"));
  CHECK(has("bert.pooler.dense.weight"));  // of the last
}
