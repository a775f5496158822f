// SPDX-License-Identifier: Apache-2.0
// What was trained is what runs: logits of libtorch and of the runtime, for the same folder.
#include "lowbit/train/model/folder.hpp"

#include <catch2/catch_test_macros.hpp>

#include "lowbit/io/model_folder.hpp"
#include "lowbit/train/model/bibert.hpp"
#include "support/runtime.hpp"

using namespace lowbit::train;
namespace fs = std::filesystem;
using train_test::scratch_folder;

namespace {

/// A folder of random weights.
fs::path random_folder(const fs::path& at, const scheme_ptr& how, std::uint64_t seed) {
  bert model = train_test::random_model({2, 48, 3, 80, 30, 16, 2, 4}, how, seed);
  torch::NoGradGuard no_gradients;
  // A weight equal to its row mean: torch.sign would give 0, one bit cannot.
  const auto words = model.parameters().front().second;
  words[2].fill_(0.5).slice(0, 0, 2).copy_(torch::tensor({0.25F, 0.75F}));
  train_test::write_folder(at, model);
  return at;
}

/// Sentences whose logits differ between the parameters of `folder` and what the runtime loads.
template <class RuntimePolicy>
std::size_t sentences_apart(const fs::path& folder, const scheme_ptr& how,
                            const fs::path& runtime_folder) {
  const auto opened = open_model_folder(folder);
  REQUIRE(opened.ok());
  bert model(opened->model.shape, how);
  REQUIRE(load_parameters(folder, model.exported()).ok());
  const auto source = lowbit::open_model(runtime_folder);
  REQUIRE(source.ok());
  return train_test::compare_with_runtime<RuntimePolicy>(model, *source).sentences;
}

const scheme_ptr floats = std::make_shared<float_scheme>();
const scheme_ptr one_bit = std::make_shared<bibert_scheme>();

}  // namespace

TEST_CASE("a float model gives the same logits in libtorch and in the runtime") {
  const scratch_folder s("parity");
  const auto folder = random_folder(s.path / "fp32", floats, 1);
  CHECK(sentences_apart<lowbit::policy::fp32>(folder, floats, folder) == 0);
}

TEST_CASE("a binary model gives the same logits in libtorch, imported and packed") {
  const scratch_folder s("parity");
  const auto folder = random_folder(s.path / "bibert", one_bit, 2);
  CHECK(sentences_apart<lowbit::policy::bibert>(folder, one_bit, folder) == 0);

  const auto model = lowbit::open_model(folder);
  REQUIRE(model.ok());
  const fs::path packed = s.path / "packed";
  REQUIRE(lowbit::save_packed(*model, packed, folder).ok());
  CHECK(sentences_apart<lowbit::policy::bibert>(folder, one_bit, packed) == 0);
}

TEST_CASE("the comparison of runtimes sees another model") {
  const scratch_folder s("parity");
  const auto folder = random_folder(s.path / "one", one_bit, 3);
  const auto other = random_folder(s.path / "two", one_bit, 4);
  CHECK(sentences_apart<lowbit::policy::bibert>(folder, one_bit, other) == 40);
}
