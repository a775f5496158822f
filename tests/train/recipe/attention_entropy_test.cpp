// SPDX-License-Identifier: Apache-2.0
// The entropy of attention bits against closed forms.
#include "lowbit/train/recipe/attention_entropy.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <map>
#include <memory>
#include <string>

#include "lowbit/train/model/bibert.hpp"
#include "support/values.hpp"

using namespace lowbit::train;
using train_test::near;

namespace {

attention_trace bits(const Tensor& p) {
  attention_trace a;
  a.probabilities = p;
  return a;
}
double entropy_of(double q) { return -q * std::log2(q) - (1 - q) * std::log2(1 - q); }

}  // namespace

TEST_CASE("the entropy of attention bits counts pairs of tokens, not padding") {
  batch in;
  in.ids = at::zeros({2, 2}, at::kLong);
  in.mask = at::tensor({1.0F, 1.0F, 1.0F, 0.0F}).view({2, 2});
  // Five pairs: four of the first sentence, one of the second. Head 0: 1 of 5 on; head 1: all.
  const Tensor p = at::tensor({1.0F, 0.0F, 0.0F, 0.0F, 0.5F, 0.5F, 0.5F, 0.5F,  //
                               0.0F, 1.0F, 1.0F, 1.0F, 0.5F, 0.0F, 1.0F, 1.0F})
                       .view({2, 2, 2, 2});
  trace out;
  out.attention = {bits(p)};
  CHECK(near(attention_entropy(out, in), entropy_of(0.2) / 2));
  out.attention.push_back(bits(at::zeros({2, 2, 2, 2})));
  CHECK(near(attention_entropy(out, in), entropy_of(0.2) / 4));
  // [CLS] alone: three pairs, of which head 0 has 1 on.
  out.attention = {bits(p.narrow(2, 0, 1))};
  CHECK(near(attention_entropy(out, in), entropy_of(1.0 / 3) / 2));
  in.mask = at::ones({2, 2});
  out.attention = {
      bits(at::tensor({1.0F, 0.0F, 0.0F, 1.0F}).view({1, 1, 2, 2}).expand({2, 1, 2, 2}))};
  CHECK(near(attention_entropy(out, in), 1.0));
}

TEST_CASE("a binarized softmax has no entropy, the bits of Bi-Attention have some") {
  lowbit::model_shape shape;
  shape.layers = 2, shape.hidden = 32, shape.heads = 2, shape.intermediate = 48;
  shape.vocabulary = 20, shape.positions = 8, shape.labels = 3;
  batch in;
  in.ids = at::tensor({2, 7, 8, 9, 3, 2, 11, 19, 3, 0}, at::kLong).view({2, 5});
  in.mask = in.ids.ne(0).to(at::kFloat);
  in.labels = at::zeros({2}, at::kLong);
  const auto entropy = [&](const scheme_ptr& how) {
    torch::manual_seed(1);
    bert model(shape, how);
    torch::NoGradGuard no_gradients;
    return attention_entropy(model.forward(in, {}), in);
  };
  CHECK(entropy(std::make_shared<softmax_binarized_scheme>()) == 0.0);
  CHECK(entropy(std::make_shared<bibert_scheme>()) > 0.5);

  std::map<std::string, double> measures;
  trace out;
  out.attention = {bits(at::tensor({1.0F, 0.0F}).view({1, 1, 1, 2}))};
  in.ids = at::zeros({1, 2}, at::kLong), in.mask = at::ones({1, 2});
  const step_info info{0, 1, 0, &measures};
  measure_attention(out, in, info);
  CHECK(near(measures.at("attention_entropy"), 1.0));
}
