// SPDX-License-Identifier: Apache-2.0
// Layer-by-layer errors against sums worked out by hand.
#include "lowbit/train/loss/layer_errors.hpp"

#include <catch2/catch_test_macros.hpp>

#include "support/values.hpp"

using namespace lowbit::train;
using train_test::near;
using train_test::value_of;

namespace {

attention_trace scores(const Tensor& s) {
  attention_trace a;
  a.scores = s;
  return a;
}

}  // namespace

TEST_CASE("hidden and score errors are sums over layers of mean squares") {
  trace student, teacher;
  student.hidden = {at::tensor({1.0F, 2.0F}), at::tensor({0.0F, 1.0F})};
  teacher.hidden = {at::tensor({1.0F, 4.0F}), at::tensor({3.0F, 0.0F})};
  CHECK(near(value_of(hidden_error(student, teacher)), 4.0 / 2 + 10.0 / 2));

  // One sentence, one query, two keys, the second masked; the teacher's second head is looked at.
  student.attention = {scores(at::tensor({2.0F, -9999.0F}).view({1, 1, 1, 2}))};
  teacher.attention = {scores(at::tensor({7.0F, 7.0F, 5.0F, -10003.0F}).view({1, 2, 1, 2}))};
  CHECK(near(value_of(score_error(student, teacher, {at::tensor({1}, at::kLong)})), 9.0 / 2));
  teacher.attention = student.attention;
  CHECK(value_of(score_error(student, teacher)) == 0.0);
}
