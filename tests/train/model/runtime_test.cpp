// SPDX-License-Identifier: Apache-2.0
// What was trained is what runs: logits of libtorch and of the runtime, for the same folder.
#include "lowbit/train/model/folder.hpp"

#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "lowbit/io/model_folder.hpp"
#include "lowbit/model/classifier.hpp"
#include "lowbit/train/model/bibert.hpp"

using namespace lowbit::train;
namespace fs = std::filesystem;

namespace {

/// A folder of random weights whose biases and norms are not trivial, as after training.
fs::path write_model(const fs::path& at, const scheme_ptr& how, std::int64_t seed) {
  model_description description;
  description.shape = {2, 48, 3, 80, 30, 16, 2, 4};
  description.labels = {"a", "b", "c", "d"};
  description.vocabulary = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  for (char c = 'a'; c < 'a' + 25; ++c) description.vocabulary.emplace_back(1, c);
  torch::manual_seed(seed);
  bert model(description.shape, how);
  torch::NoGradGuard no_gradients;
  for (auto& [name, tensor] : model.parameters()) tensor.add_(at::randn(tensor.sizes()) * 0.1);
  // A weight equal to its row mean: torch.sign would give 0, one bit cannot.
  const auto words = model.parameters().front().second;
  words[2].fill_(0.5).slice(0, 0, 2).copy_(torch::tensor({0.25F, 0.75F}));
  REQUIRE(write_model_folder(at, description, *how, model.exported(), {}, lowbit::existing::replace)
              .ok());
  return at;
}

std::vector<float> libtorch_logits(const Tensor& logits) {
  const Tensor plain = logits.detach().contiguous();
  return {plain.data_ptr<float>(), plain.data_ptr<float>() + plain.numel()};
}

template <class RuntimePolicy>
std::vector<float> runtime_logits(const fs::path& folder, const std::vector<std::int32_t>& ids) {
  using model_type = lowbit::classifier<RuntimePolicy>;
  const auto source = lowbit::open_model(folder);
  REQUIRE(source.ok());
  const auto& shape = source->config.shape;
  const lowbit::aligned_buffer memory(model_type::model_bytes(source->weights(), shape));
  lowbit::arena space(memory.data(), memory.size());
  model_type model;
  REQUIRE(model.load(space, source->weights(), shape).ok());
  const std::uint32_t offsets[] = {0, static_cast<std::uint32_t>(ids.size())};
  const lowbit::token_input in{ids.data(), nullptr, nullptr, {offsets, 1}};
  const lowbit::aligned_buffer workspace(
      model_type::workspace_bytes(shape, model_type::limits_of(in.batch, 1)));
  std::vector<float> logits(shape.labels);
  lowbit::serial here;
  const lowbit::matrix_view<float> out{logits.data(), 1, shape.labels, shape.labels};
  REQUIRE(model.run(in, workspace.data(), workspace.size(), out, here).ok());
  return logits;
}

/// Sentences whose logits differ by more than 1e-4.
template <class RuntimePolicy>
std::size_t sentences_apart(const fs::path& folder, const scheme_ptr& how,
                            const fs::path& runtime_folder) {
  const auto opened = open_model_folder(folder);
  REQUIRE(opened.ok());
  bert model(opened->model.shape, how);
  REQUIRE(load_parameters(folder, model.exported()).ok());
  std::size_t apart = 0;
  for (std::int32_t s = 0; s < 40; ++s) {
    std::vector<std::int32_t> ids{2};
    for (std::int32_t t = 0; t < s % 13; ++t) ids.push_back(5 + (7 * s + 11 * t) % 25);
    ids.push_back(3);
    batch in;
    in.ids = torch::tensor(std::vector<std::int64_t>(ids.begin(), ids.end())).unsqueeze(0);
    in.mask = at::ones_like(in.ids).to(at::kFloat);
    in.padded = false;
    const auto expected = libtorch_logits(model.forward(in, {}).logits);
    const auto found = runtime_logits<RuntimePolicy>(runtime_folder, ids);
    REQUIRE(found.size() == expected.size());
    bool same = true;
    for (std::size_t i = 0; i < found.size(); ++i) {
      same = same && std::abs(found[i] - expected[i]) <= 1e-4F;
    }
    apart += same ? 0 : 1;
  }
  return apart;
}

const scheme_ptr floats = std::make_shared<float_scheme>();
const scheme_ptr one_bit = std::make_shared<bibert_scheme>();

struct scratch {
  fs::path path = fs::temp_directory_path() / ("lowbit-parity-" + std::to_string(::getpid()));
  scratch() { fs::create_directories(path); }
  ~scratch() { fs::remove_all(path); }
};

}  // namespace

TEST_CASE("a float model gives the same logits in libtorch and in the runtime") {
  const scratch s;
  const auto folder = write_model(s.path / "fp32", floats, 1);
  CHECK(sentences_apart<lowbit::policy::fp32>(folder, floats, folder) == 0);
}

TEST_CASE("a binary model gives the same logits in libtorch, imported and packed") {
  const scratch s;
  const auto folder = write_model(s.path / "bibert", one_bit, 2);
  CHECK(sentences_apart<lowbit::policy::bibert>(folder, one_bit, folder) == 0);

  const auto model = lowbit::open_model(folder);
  REQUIRE(model.ok());
  const fs::path packed = s.path / "packed";
  REQUIRE(lowbit::save_packed(*model, packed, folder).ok());
  CHECK(sentences_apart<lowbit::policy::bibert>(folder, one_bit, packed) == 0);
}

TEST_CASE("the comparison of runtimes sees another model") {
  const scratch s;
  const auto folder = write_model(s.path / "one", one_bit, 3);
  const auto other = write_model(s.path / "two", one_bit, 4);
  CHECK(sentences_apart<lowbit::policy::bibert>(folder, one_bit, other) == 40);
}
