// SPDX-License-Identifier: Apache-2.0
// TernaryBERT and BinaryBERT as recorded from their official PyTorch code on random weights
// (tests/golden): original tensors, through the importer, the encoder and its observer, on
// every arch. Padding rows are recorded and compared, scores of padding keys are not. Bound: a
// value next to the middle of two codes may be rounded the other way.
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <map>

#include "../support/archs.hpp"
#include "../support/two_threads.hpp"
#include "lowbit/io/import.hpp"
#include "lowbit/model/classifier.hpp"
#include "lowbit/policy/per_layer.hpp"
#include "random_model.hpp"

#ifndef LOWBIT_TEST_DATA
#error "define LOWBIT_TEST_DATA as the path of tests/golden"
#endif

namespace {

using namespace lowbit_test;
namespace fs = std::filesystem;

constexpr double bound = 1e-2;

/// inputs.json as a padded batch.
struct padded_inputs {
  std::vector<std::int32_t> ids, types;
  std::vector<std::uint32_t> offsets{0}, valid;
  std::size_t columns = 0;

  explicit padded_inputs(const fs::path& folder) {
    const nlohmann::json json = lowbit::read_json(folder / "inputs.json").value();
    for (std::size_t b = 0; b < json["input_ids"].size(); ++b) {
      columns = json["input_ids"][b].size();
      std::uint32_t count = 0;
      for (std::size_t t = 0; t < columns; ++t) {
        ids.push_back(json["input_ids"][b][t]);
        types.push_back(json["token_type_ids"][b][t]);
        count += json["attention_mask"][b][t] == 1 ? 1 : 0;
        REQUIRE((json["attention_mask"][b][t] == 1) == (t < count));  // padding only at the end
      }
      valid.push_back(count);
      offsets.push_back(static_cast<std::uint32_t>(ids.size()));
    }
  }
  [[nodiscard]] lowbit::token_input input() const {
    return {ids.data(), types.data(), nullptr, {offsets.data(), valid.size(), valid.data()}};
  }
};

/// Compares what a run shows with the recording.
struct comparer {
  static constexpr bool enabled = true;
  std::size_t layer = 0;
  const padded_inputs& in;
  std::size_t heads;
  std::map<std::string, std::vector<float>> expected;
  std::map<std::string, double> largest;

  void compare(const std::string& name, std::size_t at, float found) {
    const auto it = expected.find(name);
    if (it == expected.end() || at >= it->second.size()) FAIL(name << " at " << at);
    const double d = std::abs(static_cast<double>(found) - static_cast<double>(it->second[at]));
    double& most = largest[name];
    if (!(d <= most)) most = d;
  }
  void hidden(std::size_t index, lowbit::matrix_view<const float> m) {
    for (std::size_t r = 0; r < m.rows; ++r) {
      for (std::size_t c = 0; c < m.cols; ++c)
        compare("hidden." + std::to_string(index), r * m.cols + c, m(r, c));
    }
  }
  void scores(const lowbit::query_span& span, std::size_t head,
              lowbit::matrix_view<const float> m) {
    REQUIRE(m.cols == in.valid[span.sentence]);
    for (std::size_t r = 0; r < m.rows; ++r) {
      const std::size_t query = span.first + r - in.offsets[span.sentence];
      const std::size_t row = (span.sentence * heads + head) * in.columns + query;
      for (std::size_t j = 0; j < m.cols; ++j)
        compare("attention_scores." + std::to_string(layer), row * in.columns + j, m(r, j));
    }
  }
  void context(const lowbit::query_span&, std::size_t, lowbit::matrix_view<const float>) {}
  void pooled(lowbit::matrix_view<const float>) {}
};

/// The checkpoint's canonical tensors under Policy.
template <class Policy>
lowbit::canonical_model import_model(const fs::path& folder, const std::string& policy) {
  lowbit::canonical_model model;
  model.config = lowbit::load_config(folder).value();
  model.policy = policy;
  auto imported = lowbit::import_checkpoint<Policy>(folder, std::move(model));
  INFO(imported.status().message());
  REQUIRE(imported);
  REQUIRE(imported->ignored.empty());
  return *std::move(imported);
}

template <class Policy, class Arch>
std::vector<float> check_model(const std::string& name) {
  const fs::path folder = fs::path(LOWBIT_TEST_DATA) / name;
  const auto config = lowbit::load_config(folder).value();
  const bool split = lowbit::is_split<Policy>;
  REQUIRE(lowbit::detail::quantized_bert_policy(config, split, name).value() == Policy::name);
  const lowbit::canonical_model canonical = import_model<Policy>(folder, Policy::name);
  using model_type = lowbit::classifier<Policy, Arch>;
  const lowbit::model_shape& shape = canonical.config.shape;
  const guarded<std::byte> memory(model_type::model_bytes(canonical.weights(), shape), 0xFF);
  lowbit::arena space(memory.data(), memory.size());
  model_type model;
  const lowbit::status loaded = model.load(space, canonical.weights(), shape);
  INFO(loaded.message());
  REQUIRE(loaded.ok());

  const padded_inputs in(folder);
  comparer observer{0, in, shape.heads, {}, {}};
  const auto file = lowbit::safetensors_file::open(folder / "expected.safetensors").value();
  for (const lowbit::tensor_view& t : file.tensors())
    observer.expected[t.name] = lowbit::read_f32(t).value();
  two_threads one{1};
  const auto logits = run_model(model, in.input(), one, observer);
  for (std::size_t i = 0; i < logits.size(); ++i) observer.compare("logits", i, logits[i]);
  CHECK(observer.largest.size() == observer.expected.size());
  for (const auto& [tensor, difference] : observer.largest) {
    INFO(name << ' ' << tensor << ' ' << difference);
    CHECK(difference <= bound);
  }
  two_threads both;
  CHECK(run_model(model, in.input(), both) == logits);

  // Layers in two segments of the same policy.
  using segments = lowbit::per_layer<lowbit::first<1, Policy>, lowbit::rest<Policy>>;
  using segmented_type = lowbit::classifier<segments, Arch>;
  const guarded<std::byte> more(segmented_type::model_bytes(canonical.weights(), shape), 0xFF);
  lowbit::arena more_space(more.data(), more.size());
  segmented_type segmented;
  REQUIRE(segmented.load(more_space, canonical.weights(), shape).ok());
  CHECK(run_model(segmented, in.input(), both) == logits);
  return logits;
}

/// Every compiled arch that this CPU runs gives the same bits.
template <class Policy>
void check_archs(const std::string& name) {
  std::vector<float> first;
  const auto check = [&]<class Arch>(Arch) {
    if (!lowbit::cpu_runs(Arch::name)) return;
    CAPTURE(Arch::name);
    const auto logits = check_model<Policy, Arch>(name);
    if (first.empty()) first = logits;
    CHECK(logits == first);
  };
  std::apply([&](auto... archs) { (check(archs), ...); }, compiled_archs{});
}

}  // namespace

TEST_CASE("TernaryBERT W2A8 gives the recorded tensors", "[golden]") {
  check_archs<lowbit::policy::ternarybert<8>>("ternarybert_w2a8_h96");
}

TEST_CASE("BinaryBERT W1A4 after its split, narrowed, gives the recorded tensors", "[golden]") {
  check_archs<lowbit::policy::binarybert_split<4>>("binarybert_split_w1a4");
}
