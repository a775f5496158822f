// SPDX-License-Identifier: Apache-2.0
// Pruning of single weights: the schedule at its corners, exact counts, and that nothing comes
// back.
#include "lowbit/train/model/magnitude_masks.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "lowbit/train/loop/optimizer.hpp"
#include "support/values.hpp"

using namespace lowbit::train;
using train_test::near;

namespace {

std::int64_t zeros(const Tensor& t) { return t.eq(0).sum().item<std::int64_t>(); }

}  // namespace

TEST_CASE("sparsity rises by the cubic schedule between its corners") {
  const sparsity_schedule s{0.8, 100, 10, 20};
  CHECK(s.last() == 300);
  CHECK(s.at(0) == 0.0);
  CHECK(s.at(99) == 0.0);
  CHECK(s.at(100) == 0.0);
  CHECK(near(s.at(200), 0.8 * (1 - 0.125), 1e-12));
  CHECK(near(s.at(250), 0.8 * (1 - 1.0 / 64), 1e-12));
  CHECK(s.at(300) == 0.8);
  CHECK(s.at(301) == 0.8);
  CHECK(!s.updates_at(99));
  CHECK(s.updates_at(100));
  CHECK(!s.updates_at(101));
  CHECK(s.updates_at(110));
  CHECK(s.updates_at(300));
  CHECK(!s.updates_at(310));
  // Between two updates that of the first is in force.
  CHECK(s.in_force(99) == 0.0);
  CHECK(s.in_force(109) == 0.0);
  CHECK(s.in_force(259) == s.at(250));
  CHECK(s.in_force(299) == s.at(290));
  CHECK(s.in_force(1000) == 0.8);
}

TEST_CASE("every run, however short, reaches the target before its last step ends") {
  for (const std::int64_t total : {1, 2, 3, 7, 100, 1000}) {
    for (const double begin : {0.0, 0.5, 0.99}) {
      for (const double end : {0.0, 0.7, 0.99}) {
        for (const std::int64_t every : {1, 10, 5000}) {
          const auto s = sparsity_schedule::of_run(0.9, begin, end, every, total);
          INFO(total << " " << begin << " " << end << " " << every);
          CHECK(s.first >= 0);
          CHECK(s.every >= 1);
          CHECK(s.last() < total);
          CHECK(s.updates_at(s.last()));
          CHECK(s.at(s.last()) == 0.9);
        }
      }
    }
  }
  const auto usual = sparsity_schedule::of_run(0.9, 0.1, 0.7, 10, 1000);
  CHECK(usual.first == 100);
  CHECK(usual.last() == 700);
}

TEST_CASE("as many weights are zero as were asked for, the smallest, and they stay zero") {
  torch::manual_seed(6);
  const Tensor w = at::randn({9, 11}).requires_grad_(true), start = w.detach().clone();
  magnitude_masks masks({{"w", w}});
  masks.prune(0.3);
  CHECK(zeros(w) == 30);  // round(29.7)
  const Tensor lost = start.masked_select(w.eq(0)).abs(), left = w.detach().abs();
  CHECK(lost.max().item<float>() <= left.masked_select(left.gt(0)).min().item<float>());
  CHECK(at::equal(w.masked_select(w.ne(0)), start.masked_select(w.ne(0))));

  bert_adam optimizer(trained({{"w.weight", w}}), {});
  const Tensor dead = w.eq(0);
  for (int step = 0; step < 5; ++step) {
    optimizer.zero_gradients();
    (w * at::randn({9, 11})).sum().backward();
    CHECK(w.grad().masked_select(dead).eq(0).all().item<bool>());
    CHECK(w.grad().masked_select(dead.logical_not()).ne(0).all().item<bool>());
    REQUIRE(std::isfinite(optimizer.step(1e-2)));
    masks.apply();
    CHECK(zeros(w) == 30);
    CHECK(w.masked_select(dead).eq(0).all().item<bool>());
  }
  masks.prune(0.6);
  CHECK(zeros(w) == 59);
  CHECK(w.masked_select(dead).eq(0).all().item<bool>());
  CHECK(near(masks.sparsity(), 59.0 / 99.0, 1e-12));
}

TEST_CASE("momentum that a weight had before it was pruned does not move it") {
  const Tensor w = at::tensor({0.01F, 1.0F, 2.0F, 3.0F}).view({2, 2}).requires_grad_(true);
  magnitude_masks masks({{"w", w}});
  bert_adam optimizer(trained({{"w.weight", w}}), {});
  w.sum().backward();
  REQUIRE(std::isfinite(optimizer.step(1e-3)));
  masks.prune(0.25);
  optimizer.zero_gradients();
  w.sum().backward();
  REQUIRE(std::isfinite(optimizer.step(1e-3)));
  CHECK(w[0][0].item<float>() != 0.0F);  // what apply() is for
  masks.apply();
  CHECK(w[0][0].item<float>() == 0.0F);
  CHECK(zeros(w) == 1);
}
