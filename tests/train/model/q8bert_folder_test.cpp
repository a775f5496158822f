// SPDX-License-Identifier: Apache-2.0
// A folder with trained Q8BERT ranges: it runs as it was trained, and one without ranges is
// refused.
#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "lowbit/train/model/q8bert.hpp"
#include "lowbit/train/recipe/recipe.hpp"
#include "support/runtime.hpp"

using namespace lowbit::train;

namespace {

/// A random model whose ranges are about right, one of them too narrow.
bert model_with_ranges(std::uint64_t seed) {
  bert model =
      train_test::random_model(train_test::small_shape(), std::make_shared<q8bert_scheme>(), seed);
  torch::NoGradGuard no_gradients;
  for (std::int32_t s = 0; s < 3; ++s) {
    static_cast<void>(
        model.forward(train_test::batch_of(train_test::sentence(10 + s)), {.training = true}));
  }
  advance_ranges(model, 0.5);
  site_tensors(model, range_suffix)[1].mul_(0.5);
  return model;
}

}  // namespace

TEST_CASE("a folder with trained ranges gives the logits of libtorch's evaluation") {
  const train_test::scratch_folder s("q8bert");
  bert model = model_with_ranges(34);
  train_test::write_folder(s.path / "latent", model);
  const auto source = lowbit::open_model(s.path / "latent");
  INFO(source.status().message());
  REQUIRE(source.ok());
  CHECK(source->policy == "q8bert");
  REQUIRE(
      lowbit::save_packed(*source, s.path / "packed", s.path / "latent", lowbit::existing::replace)
          .ok());
  const auto packed = lowbit::open_model(s.path / "packed");
  REQUIRE(packed.ok());
  const auto d = train_test::compare_with_runtime<lowbit::policy::q8bert>(model, *packed);
  INFO("largest difference " << d.largest << " in " << d.sentences);
  // As for the other int8 policies: an activation within float error of a rounding.
  CHECK(d.sentences <= 2U);
  CHECK(d.largest < 0.05);

  // Other ranges give other logits, and so do the latent weights: the comparison can fail.
  bert other = model_with_ranges(34);
  for (const Tensor& range : site_tensors(other, range_suffix)) range.mul_(1.1);
  CHECK(train_test::compare_with_runtime<lowbit::policy::q8bert>(other, *packed).sentences >= 20);
  bert floats(model.shape(), std::make_shared<float_scheme>());
  REQUIRE(load_parameters(s.path / "latent", floats.exported()).ok());
  CHECK(train_test::compare_with_runtime<lowbit::policy::q8bert>(floats, *packed).sentences >= 20);

  // The trainer reads its own folder, with the ranges.
  const auto config = load_training_config(s.path / "latent");
  REQUIRE(config.ok());
  const auto how = scheme_of(*config, s.path / "latent");
  REQUIRE(how.ok());
  bert again(model.shape(), *how);
  REQUIRE(load_parameters(s.path / "latent", again.exported()).ok());
  const batch in = train_test::batch_of(train_test::sentence(9));
  CHECK(at::equal(model.forward(in, {}).logits, again.forward(in, {}).logits));
}

TEST_CASE("the trainer refuses a folder whose ranges make no codes, naming file and tensor") {
  const train_test::scratch_folder s("q8bert-bad");
  const auto refused = [&s](float value, const char* text) {
    bert model = model_with_ranges(35);
    site_tensors(model, range_suffix)[4].fill_(value);
    train_test::write_folder(s.path / "bad", model);
    const auto loaded = load_model(s.path / "bad", torch::kCPU);
    INFO(loaded.status().message());
    CHECK(train_test::mentions(loaded.status(), "model.safetensors"));
    CHECK(train_test::mentions(loaded.status(), "layer.1.attention.self.query.input.range"));
    CHECK(train_test::mentions(loaded.status(), text));
  };
  refused(0.0F, "above 0");
  refused(-2.0F, "above 0");
  refused(NAN, "nan");
  // Another program's model of the same paper.
  nlohmann::json config = s.json("bad/config.json");
  config.erase("lowbit_scheme"), config["attention_query"] = {{"mode", "ema"}};
  static_cast<void>(s.write("bad/config.json", config.dump()));
  CHECK(
      train_test::mentions(load_model(s.path / "bad", torch::kCPU).status(), "cannot be trained"));
}
