// SPDX-License-Identifier: Apache-2.0
// Ledgers of models in memory against counts of the test's own: nonzeros of the matrices and bytes
// of the tensors.
#include "lowbit/cost/model_ledger.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "../model/random_model.hpp"
#include "lowbit/io/encode_model.hpp"

namespace {

using namespace lowbit_test;
using lowbit::cost_item;

constexpr std::size_t tokens = 5;

/// random_model<fp32> as a canonical model.
lowbit::canonical_model float_model() {
  lowbit::canonical_model model;
  model.config.shape = ragged_shape();
  model.policy = "fp32";
  const tensor_store tensors = random_model<lowbit::policy::fp32>(ragged_shape(), 77);
  for (const lowbit::stored_tensor& t : tensors.weights()) {
    const std::size_t bytes = t.elements() * sizeof(float);
    model.own(t.name, t.type, {t.shape, t.shape + t.rank}, {t.data, t.data + bytes});
  }
  return model;
}

lowbit::canonical_model encoded(const char* policy,
                                const std::vector<std::string>& overrides = {}) {
  std::vector<lowbit::format_override> formats;
  for (const std::string& o : overrides)
    formats.push_back(lowbit::format_override::parse(o).value());
  return lowbit::encode_model(float_model(), lowbit::find_policy(policy).value(), formats).value();
}

std::size_t bytes_of(const lowbit::canonical_model& model, const std::string& name) {
  for (const lowbit::stored_tensor& t : model.tensors()) {
    if (t.name == name) return t.elements() * lowbit::size_of(t.type);
  }
  return 0;
}

const lowbit::cost& entry(const lowbit::named_ledger& ledger, std::size_t layer, cost_item item) {
  for (const auto& row : ledger.rows) {
    if (row.layer == layer && row.item == item) return row.cost;
  }
  FAIL("no such row");
  return ledger.total;
}

}  // namespace

TEST_CASE("a pruned model counts its own nonzeros") {
  const auto model = encoded("pruned73", {"layer.1.intermediate=pruned20"});
  const auto ledger = lowbit::ledger_of_model(model, tokens).value();
  const auto full = lowbit::ledger_for("fp32", ragged_shape(), tokens).value();
  CHECK(ledger.policy == "pruned73");
  const auto kept = [](std::size_t weights, double share) {
    return weights - static_cast<std::size_t>(std::lround(static_cast<double>(weights) * share));
  };
  const auto& query = entry(ledger, 0, cost_item::query);
  CHECK(query.defined.f32_macs == tokens * kept(45 * 45, 0.73));
  CHECK(query.defined.dense_macs == tokens * 45 * 45);
  CHECK(query.stored.weights == 4 * kept(45 * 45, 0.73) + 45 * 6 + 46 * 4);
  const auto& wide = entry(ledger, 1, cost_item::feed_forward_input);
  CHECK(wide.executed.f32_macs == kept(83 * 45, 0.2));  // the last layer: one row
  CHECK(wide.defined.f32_macs == tokens * kept(83 * 45, 0.2));
  CHECK(ledger.total.defined.dense_macs == full.total.defined.f32_macs);
  CHECK(ledger.total.defined.f32_operations == full.total.defined.f32_operations);
  CHECK(entry(ledger, 2, cost_item::classifier).stored ==
        entry(full, 2, cost_item::classifier).stored);
}

TEST_CASE("zeros that a matrix had before are left out, too") {
  auto model = float_model();
  const std::string name = "bert.encoder.layer.0.output.dense.weight";
  std::vector<float> half(45 * 83, 0.0F);
  for (std::size_t i = 0; i < half.size(); i += 2) half[i] = 0.25F;
  lowbit::canonical_model zeros;
  zeros.config = model.config;
  for (const lowbit::stored_tensor& t : model.tensors()) {
    if (t.name == name) continue;
    zeros.own(t.name, t.type, {t.shape, t.shape + t.rank},
              {t.data, t.data + t.elements() * sizeof(float)});
  }
  zeros.own(name, {45, 83}, half);
  const auto packed = lowbit::encode_model(zeros, lowbit::find_policy("fp32").value(),
                                           {{"0.output.dense", "sparse"}})
                          .value();
  const auto ledger = lowbit::ledger_of_model(packed, tokens).value();
  const auto& cost = entry(ledger, 0, cost_item::feed_forward_output);
  CHECK(cost.defined.f32_macs == tokens * ((45 * 83 + 1) / 2));
  CHECK(entry(ledger, 1, cost_item::feed_forward_output).defined.f32_macs == tokens * 45 * 83);
}

TEST_CASE("a mixture has the bytes of its files and the products of each format") {
  const auto model =
      encoded("mixed", {"layer.0.*query=int4", "layer.1.output=codebook16", "layer.1.*value=bf16"});
  const auto ledger = lowbit::ledger_of_model(model, tokens).value();
  const auto& narrow = entry(ledger, 0, cost_item::query);
  CHECK(narrow.stored.weights ==
        bytes_of(model, "bert.encoder.layer.0.attention.self.query.weight.codes"));
  CHECK(narrow.stored.scales == 45 * 4);
  CHECK(narrow.defined.int8_macs == tokens * 45 * 45);
  const double other = static_cast<double>(narrow.defined.f32_operations);
  CHECK(narrow.papers_flops == 2.0 * tokens * 45 * 45 * 4 * 8 / 64 + other);
  const auto& key = entry(ledger, 0, cost_item::key);
  CHECK(key.papers_flops == 2.0 * tokens * 45 * 45 + other);
  CHECK(key.stored.weights == 45 * 45);
  const auto& value = entry(ledger, 1, cost_item::value);
  CHECK(value.defined.f32_macs == tokens * 45 * 45);
  CHECK(value.defined.int8_macs == 0);
  CHECK(value.stored.total() == 2 * 45 * 45 + 4 * 45);
}
