// SPDX-License-Identifier: Apache-2.0
// A batch in pieces: what a step finds out does not depend on how many there are.
#include "lowbit/train/loop/gradients.hpp"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>

using namespace lowbit::train;

namespace {

/// The first of two processes; the other saw 3 at every site and has no gradient of its own.
struct beside_another : workers {
  [[nodiscard]] std::size_t size() const override { return 2; }
  [[nodiscard]] lowbit::status sum(const std::vector<Tensor>& tensors) const override {
    torch::NoGradGuard no_gradients;
    for (const Tensor& t : tensors) {
      if (t.dim() == 2 && t.size(0) == 2 && t.size(1) == 1) t[1].add_(3.0);
    }
    return {};
  }
};

}  // namespace

TEST_CASE("a step counts its whole batch once, over pieces and processes") {
  const Tensor a = at::zeros({1}), b = at::zeros({1});
  fit_job job;
  job.maxima = {a, b};
  const Tensor parameter = at::ones({3}).requires_grad_(true);
  job.parameters = trained({{"p", parameter}});
  float next = 0;
  job.loss = [&](const batch&, const step_info&) {
    next += 1.0F;
    a.fill_(std::max(a.item<float>(), next)), b.fill_(std::max(b.item<float>(), 4 * next));
    return parameter.sum();
  };
  const std::vector<example> examples(4, example{{2, 3}, {0}, {}});
  fit_options options;
  options.accumulate = 2;
  const auto run = [&](const workers& group) {
    a.zero_(), b.zero_(), next = 0;
    return lowbit::train::detail::accumulate_gradients(job, examples, {0, 1, 2, 3}, options,
                                                       torch::kCPU, group, {})
        .ok();
  };
  REQUIRE(run(workers()));
  CHECK(next == 2.0F);
  CHECK(a.item<float>() == 2.0F);
  CHECK(b.item<float>() == 8.0F);
  REQUIRE(run(beside_another()));
  CHECK(a.item<float>() == 3.0F);  // the other's
  CHECK(b.item<float>() == 8.0F);  // its own
}

TEST_CASE("a parameter that the loss does not read has no gradient, in one piece or in many") {
  const Tensor read = at::ones({3}).requires_grad_(true),
               unread = at::ones({2}).requires_grad_(true);
  fit_job job;
  job.parameters = trained({{"read", read}, {"unread", unread}});
  job.loss = [&](const batch&, const step_info&) { return read.sum(); };
  const std::vector<example> examples(4, example{{2, 3}, {0}, {}});
  const auto run = [&](std::size_t pieces, const workers& group) {
    for (const Tensor& t : {read, unread}) t.mutable_grad() = Tensor();
    fit_options options;
    options.accumulate = pieces;
    REQUIRE(lowbit::train::detail::accumulate_gradients(job, examples, {0, 1, 2, 3}, options,
                                                        torch::kCPU, group, {})
                .ok());
    CHECK(at::equal(read.grad(), at::ones({3})));
    CHECK(!unread.grad().defined());
  };
  run(1, workers());
  run(2, workers());
  run(2, beside_another());
}

TEST_CASE("a piece weighs as many sentences or labels as its loss is a mean over") {
  const Tensor parameter = at::zeros({1}).requires_grad_(true);
  fit_job job;
  job.parameters = trained({{"p", parameter}});
  job.loss = [&](const batch& in, const step_info&) {  // 3 and 1
    return parameter.sum() + in.labels.ne(ignored_label).sum().to(at::kFloat);
  };
  const std::vector<example> examples{
      {{2, 5, 6, 7, 3}, {ignored_label, 1, 1, 1, ignored_label}, {}},
      {{2, 5, 3}, {ignored_label, 1, ignored_label}, {}}};
  fit_options options;
  options.accumulate = 2;
  const auto loss = [&](loss_unit unit) {
    job.unit = unit;
    return lowbit::train::detail::accumulate_gradients(job, examples, {0, 1}, options, torch::kCPU,
                                                       workers(), {})
        ->loss;
  };
  CHECK(loss(loss_unit::label) == 2.5);
  CHECK(loss(loss_unit::sentence) == 2.0);
}
