// SPDX-License-Identifier: Apache-2.0
// Layers that are matched are a mean over sentences, also where labels belong to words.
#include "lowbit/train/recipe/layer_matcher.hpp"

#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <vector>

#include "lowbit/train/loop/gradients.hpp"

using namespace lowbit::train;

TEST_CASE("the gradient of matched layers does not depend on how labels of words are cut") {
  lowbit::model_shape shape{1, 16, 2, 24, 20, 8, 2, 3};
  shape.head = lowbit::head_kind::token;
  torch::manual_seed(6);
  const auto how = std::make_shared<float_scheme>();
  bert teacher(shape, how), student(shape, how);
  const width_map fit(16, 16, torch::kCPU);
  const lowbit::train::detail::layer_matcher match{teacher, student, {0, 1}, fit, {}};
  const fit_job job = match.job({.training = true});
  // Three labels and one.
  const std::vector<example> examples{
      {{2, 7, 8, 9, 3}, {ignored_label, 1, 2, 0, ignored_label}, {}},
      {{2, 9, 3}, {ignored_label, 2, ignored_label}, {}}};
  const auto gradients = [&](std::size_t pieces) {
    for (const trained_parameter& p : job.parameters) p.tensor.mutable_grad() = Tensor();
    fit_options options;
    options.accumulate = pieces;
    REQUIRE(lowbit::train::detail::accumulate_gradients(job, examples, {0, 1}, options, torch::kCPU,
                                                        workers(), {})
                .ok());
    std::vector<Tensor> all;
    for (const trained_parameter& p : job.parameters) {
      all.push_back(p.tensor.grad().defined() ? p.tensor.grad().clone() : Tensor());
    }
    return all;
  };
  const auto whole = gradients(1), pieces = gradients(2);
  std::size_t read = 0;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    INFO(job.parameters[i].name);
    REQUIRE(whole[i].defined() == pieces[i].defined());  // the head has none
    if (!whole[i].defined()) continue;
    ++read;
    CHECK(at::allclose(whole[i], pieces[i], 1e-4, 1e-6));
  }
  CHECK(read > 10);
  CHECK(read < whole.size());
}
