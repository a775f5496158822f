// SPDX-License-Identifier: Apache-2.0
// What was trained is what runs: logits of libtorch and of the runtime for folders of BiT,
// TernaryBERT and BinaryBERT models. Ranges span a batch, so the dynamic ones run on one padded
// batch.
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "lowbit/model/classifier.hpp"
#include "lowbit/train/model/schemes.hpp"
#include "support/runtime.hpp"

using namespace lowbit::train;
namespace fs = std::filesystem;
namespace policy = lowbit::policy;

namespace {

/// Sentences of different lengths, padded.
batch sentences() {
  constexpr std::int64_t rows = 6, columns = 12;
  batch in;
  in.ids = at::zeros({rows, columns}, at::kLong);
  for (std::int64_t s = 0; s < rows; ++s) {
    const std::int64_t words = s * 2;
    in.ids[s][0] = 2;
    for (std::int64_t t = 1; t <= words; ++t) in.ids[s][t] = 5 + (7 * s + 11 * t) % 25;
    in.ids[s][words + 1] = 3;
  }
  in.mask = in.ids.ne(0).to(at::kFloat);
  in.labels = at::zeros({rows}, at::kLong);
  return in;
}

struct written_model {
  fs::path folder;
  Tensor logits;  // of sentences(), by libtorch
};

/// A folder of random weights whose biases and shifts are not trivial, steps as the data give them.
written_model write_trained(const fs::path& at, const scheme_ptr& how, std::size_t attention) {
  lowbit::model_shape shape{2, 48, 3, 80, 30, 16, 2, 4};
  shape.attention = attention;
  torch::manual_seed(2);
  bert model(shape, how);
  torch::NoGradGuard no_gradients;
  for (const auto& [name, tensor] : model.parameters()) {
    if (tensor.dim() > 0 && name.find("clip") == std::string::npos) {
      tensor.add_(at::randn(tensor.sizes()) * 0.1);
    }
  }
  const batch in = sentences();
  static_cast<void>(model.forward(in, {}));  // sets the steps
  train_test::write_folder(at, model);
  return {at, model.forward(in, {}).logits};
}

/// Largest difference of the runtime's logits; ragged rows where the policy does not take padding.
template <class Policy>
double apart(const written_model& trained) {
  using model_type = lowbit::classifier<Policy>;
  const auto source = lowbit::open_model(trained.folder);
  INFO(source.status().message());
  REQUIRE(source.ok());
  CHECK(source->policy == Policy::name);
  const auto& shape = source->config.shape;
  const lowbit::aligned_buffer memory(model_type::model_bytes(source->weights(), shape));
  lowbit::arena space(memory.data(), memory.size());
  model_type model;
  REQUIRE(model.load(space, source->weights(), shape).ok());

  const batch in = sentences();
  constexpr bool padded = lowbit::whole_batch_ranges<Policy>;
  std::vector<std::int32_t> ids;
  std::vector<std::uint32_t> offsets{0}, valid;
  for (std::int64_t s = 0; s < in.sentences(); ++s) {
    const auto tokens = in.mask[s].sum().item<std::int64_t>();
    for (std::int64_t t = 0; t < (padded ? in.tokens() : tokens); ++t) {
      ids.push_back(in.ids[s][t].item<std::int32_t>());
    }
    offsets.push_back(static_cast<std::uint32_t>(ids.size()));
    valid.push_back(static_cast<std::uint32_t>(tokens));
  }
  const std::size_t rows = valid.size();
  const lowbit::token_input input{
      ids.data(), nullptr, nullptr, {offsets.data(), rows, padded ? valid.data() : nullptr}};
  const lowbit::aligned_buffer workspace(
      model_type::workspace_bytes(shape, model_type::limits_of(input.batch, 1)));
  Tensor found = at::empty({static_cast<std::int64_t>(rows), trained.logits.size(1)});
  lowbit::serial here;
  const lowbit::matrix_view<float> out{found.data_ptr<float>(), rows, shape.labels, shape.labels};
  REQUIRE(model.run(input, workspace.data(), workspace.size(), out, here).ok());
  return (found - trained.logits).abs().max().item<double>();
}

scheme_ptr binary(unsigned bits, bool ternary, bool split) {
  return std::make_shared<binarybert_scheme>(binarybert_format::of(bits, ternary, split));
}

}  // namespace

TEST_CASE("a BiT model gives the same logits in libtorch and in the runtime") {
  const train_test::scratch_folder s("low-bit");
  CHECK(apart<policy::bit>(write_trained(s.path / "bit", std::make_shared<bit_scheme>(), 0)) <=
        1e-4);
}

TEST_CASE("TernaryBERT and BinaryBERT models give the same logits in libtorch and in the runtime") {
  const train_test::scratch_folder s("low-bit");
  const auto ternary = std::make_shared<ternarybert_scheme>(8);
  CHECK(apart<policy::ternarybert<8>>(write_trained(s.path / "t8", ternary, 0)) <= 1e-4);
  CHECK(apart<policy::ternarybert<8>>(write_trained(s.path / "t8n", ternary, 24)) <= 1e-4);
  CHECK(apart<policy::binarybert_split<8>>(
            write_trained(s.path / "s8", binary(8, false, true), 24)) <= 1e-4);
  CHECK(apart<policy::binarybert_split<4>>(
            write_trained(s.path / "s4", binary(4, false, true), 24)) <= 1e-4);
  CHECK(apart<policy::binarybert_ternary<4>>(
            write_trained(s.path / "w2", binary(4, true, false), 24)) <= 1e-4);
  CHECK(apart<policy::binarybert<8>>(write_trained(s.path / "w1", binary(8, false, false), 0)) <=
        1e-4);
}

TEST_CASE("the comparison of runtimes sees another step") {
  const train_test::scratch_folder s("low-bit");
  auto trained = write_trained(s.path / "bit", std::make_shared<bit_scheme>(), 0);
  const auto config = load_training_config(trained.folder);
  bert model(config->shape, std::make_shared<bit_scheme>());
  REQUIRE(load_parameters(trained.folder, model.exported()).ok());
  torch::NoGradGuard no_gradients;
  for (const auto& [name, tensor] : model.exported()) {
    if (name.ends_with("layer.1.output.dense.input_clip_val")) tensor.mul_(1.1);
  }
  trained.logits = model.forward(sentences(), {}).logits;
  CHECK(apart<policy::bit>(trained) > 1e-4);
}
