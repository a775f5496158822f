// SPDX-License-Identifier: Apache-2.0
// Q8BERT as a training scheme: codes are the runtime's, ranges are moving averages, gradients are
// straight-through.
#include "lowbit/train/model/q8bert.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <string>

#include "lowbit/nn/encoded.hpp"
#include "support/runtime.hpp"
#include "support/values.hpp"

using namespace lowbit::train;
using train_test::float_values;

namespace {

linear_part part_with_range(const Tensor& weight, float range) {
  return {weight,
          at::zeros({weight.size(0)}).requires_grad_(true),
          {{"input.range", at::full({1}, range), false}, {"input.seen", at::zeros({1}), false}}};
}
float range_of(const linear_part& part) { return extra(part.extras, "input.range").item<float>(); }
float seen_of(const linear_part& part) { return extra(part.extras, "input.seen").item<float>(); }

}  // namespace

TEST_CASE("inputs in a range are the codes of the runtime under its stored scale, bit for bit") {
  using format = lowbit::policy::q8bert::linear;
  torch::manual_seed(31);
  for (const float range : {0.37F, 1.0F, 3.0F, 127.0F, 1e-3F, 5e4F}) {
    INFO(range);
    Tensor x = at::randn({5, 40}) * (range / 2);  // one in twenty lies outside
    x[1].fill_(0.0);
    x[2] = (at::arange(40) - 20.5) * (range / 127);  // halves
    x[3][0] = range, x[3][1] = -range, x[3][2] = 1e30, x[3][3] = -1e30;
    x = x.to(at::kFloat).contiguous();
    const auto found = float_values(int8_in_range(x, at::full({1}, range)));
    lowbit::arena measure;
    lowbit::encoded_rows<format> rows;
    rows.plan(measure, 5, 40);
    const lowbit::aligned_buffer memory(measure.used());
    lowbit::arena space(memory.data(), memory.size());
    rows.plan(space, 5, 40);
    lowbit::input_encoding learned;
    learned.scale = range / 127.0F;
    for (std::size_t r = 0; r < 5; ++r) {
      rows.encode<lowbit::native>(x.data_ptr<float>() + r * 40, r, learned);
      const auto* codes = reinterpret_cast<const std::int8_t*>(rows.rows.row(r));
      for (std::size_t j = 0; j < 40; ++j) {
        INFO(r << ", " << j << ": " << x.data_ptr<float>()[r * 40 + j]);
        CHECK(found[r * 40 + j] == static_cast<float>(codes[j]) * learned.scale);
      }
    }
  }
  // By hand: range 127, step 1.
  const Tensor x = at::tensor({0.5F, 1.5F, -2.5F, 126.6F, 128.0F, -1e9F, 0.0F});
  CHECK(float_values(int8_in_range(x, at::full({1}, 127.0F))) ==
        std::vector<float>{0, 2, -2, 127, 127, -127, 0});
  CHECK(int8_in_range(x, at::zeros({1})).eq(0).all().item<bool>());  // nothing was seen
}

TEST_CASE("weights are in steps of the tensor's largest magnitude / 127, as the codec has them") {
  torch::manual_seed(32);
  const Tensor w = (at::randn({7, 33}) * 0.2).to(at::kFloat);
  const auto plain = float_values(w), found = float_values(q8bert_scheme::quantized(w, w));
  float largest = 0;
  for (const float v : plain) largest = std::max(largest, std::abs(v));
  const float step = largest / 127.0F;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const double code = std::nearbyint(static_cast<double>(plain[i]) / static_cast<double>(step));
    CHECK(found[i] == static_cast<float>(code) * step);
  }
  // Rows of a table have the step of the whole table.
  CHECK(at::equal(q8bert_scheme::quantized(w.narrow(0, 2, 3), w),
                  q8bert_scheme::quantized(w, w).narrow(0, 2, 3)));
  const Tensor zeros = at::zeros({2, 4});
  CHECK(at::equal(q8bert_scheme::quantized(zeros, zeros), zeros));
}

TEST_CASE("the first batch sets a range, later ones move it by 1 - decay") {
  const q8bert_scheme how(0.75);
  const lowbit::site at = lowbit::site::feed_forward_input;
  linear_part part = part_with_range(at::ones({2, 3}), 0.0F);
  const forward_options step{.training = true};
  const auto x = [](float largest) { return at::tensor({0.1F, -largest, 0.0F}).view({1, 3}); };
  const auto end_of_step = [&part] {
    Tensor &range = extra(part.extras, "input.range"), &seen = extra(part.extras, "input.seen");
    range.copy_(moved_range(range, seen, 0.75)), seen.zero_();
  };
  // A step of two pieces: each is coded with the range that follows from it, the state waits.
  CHECK(at::equal(how.input(part, at, x(2.0F), step), int8_in_range(x(2.0F), at::full({1}, 2.0))));
  CHECK(at::equal(how.input(part, at, x(4.0F), step), int8_in_range(x(4.0F), at::full({1}, 4.0))));
  CHECK(how.input(part, at, x(1.0F), step).abs().max().item<float>() == 1.0F);
  CHECK(range_of(part) == 0.0F);
  CHECK(seen_of(part) == 4.0F);
  end_of_step();
  CHECK(range_of(part) == 4.0F);
  // The next: 0.75 * 4 + 0.25 * 8 = 5 is the range of the batch that brings 8; 8 is clipped.
  const Tensor clipped = how.input(part, at, x(8.0F), step);
  CHECK(clipped[0][1].item<float>() == -127.0F * (5.0F / 127.0F));
  end_of_step();
  CHECK(range_of(part) == 5.0F);
  // 0.75 * 5 + 0.25 * 1 = 4: smaller batches narrow it, too.
  static_cast<void>(how.input(part, at, x(1.0F), step));
  end_of_step();
  CHECK(range_of(part) == 4.0F);
  end_of_step();  // a step that did not reach the site
  CHECK(range_of(part) == 4.0F);
  // Evaluation looks and does not touch.
  CHECK(how.input(part, at, x(100.0F), {})[0][1].item<float>() == -127.0F * (4.0F / 127.0F));
  CHECK(range_of(part) == 4.0F);
  CHECK(seen_of(part) == 0.0F);
  // What is not a number stays visible: the loss is not finite then, and the run ends.
  const Tensor nan = how.input(part, at, x(NAN), step);
  CHECK(nan.isnan().any().item<bool>());
  CHECK(std::isnan(seen_of(part)));
}

TEST_CASE("gradients pass the fake quantizers unchanged, also where a value is clipped") {
  const q8bert_scheme how;
  torch::manual_seed(33);
  const Tensor weight = (at::randn({6, 8}) * 0.3).requires_grad_(true);
  linear_part part = part_with_range(weight, 0.5F);
  const lowbit::site at = lowbit::site::attention_output;
  const Tensor x = at::randn({5, 8}).requires_grad_(true);
  for (const bool training : {true, false}) {
    INFO(training);
    x.mutable_grad() = Tensor(), weight.mutable_grad() = Tensor();
    const forward_options o{.training = training};
    const Tensor read = how.input(part, at, x, o);
    REQUIRE(read.detach().ne(x.detach().clamp(-10, 10)).any().item<bool>());
    REQUIRE(x.detach().abs().gt(0.6).any().item<bool>());  // outside of the range
    const Tensor y = how.multiply(part, at, read, o), dy = at::randn({5, 6});
    y.backward(dy);
    const Tensor w = q8bert_scheme::quantized(weight, weight);
    CHECK(!w.requires_grad());
    CHECK(at::allclose(y, at::mm(read, w.t()), 1e-4, 1e-5));
    CHECK(at::allclose(x.grad(), at::mm(dy, w), 1e-4, 1e-5));
    CHECK(at::allclose(weight.grad(), at::mm(dy.t(), read.detach()), 1e-4, 1e-5));
  }
  const Tensor table = at::randn({9, 4}).requires_grad_(true);
  const Tensor ids = torch::tensor(std::vector<std::int64_t>{7, 2, 7}), g = at::randn({3, 4});
  const Tensor rows = how.embed(table, ids, {.training = true});
  CHECK(at::equal(rows, q8bert_scheme::quantized(table, table).index_select(0, ids)));
  rows.backward(g);
  CHECK(at::allclose(table.grad()[7], g[0] + g[2]));
  CHECK(at::equal(table.grad()[2], g[1]));
  CHECK(table.grad().ne(0).any(1).sum().item<std::int64_t>() == 2);
}

TEST_CASE("a model has one range for q, k and v and one for every other input") {
  bert model(train_test::small_shape(), std::make_shared<q8bert_scheme>());
  std::vector<std::string> exported;
  for (const auto& [name, tensor] : model.exported()) {
    if (name.ends_with(range_suffix)) exported.push_back(name);
    CHECK(!name.ends_with(seen_suffix));
  }
  const std::string l = "bert.encoder.layer.";
  CHECK(exported ==
        std::vector<std::string>{
            l + "0.attention.self.query.input.range", l + "0.attention.output.dense.input.range",
            l + "0.intermediate.dense.input.range", l + "0.output.dense.input.range",
            l + "1.attention.self.query.input.range", l + "1.attention.output.dense.input.range",
            l + "1.intermediate.dense.input.range", l + "1.output.dense.input.range",
            "bert.pooler.dense.input.range"});
  const auto ranges = site_tensors(model, range_suffix), seen = site_tensors(model, seen_suffix);
  REQUIRE(ranges.size() == 9);
  REQUIRE(seen.size() == 9);
  torch::NoGradGuard no_gradients;
  std::vector<float> expected(9, 0.0F);
  for (const std::int32_t s : {9, 4, 11}) {
    static_cast<void>(
        model.forward(train_test::batch_of(train_test::sentence(s)), {.training = true}));
    for (std::size_t i = 0; i < 9; ++i) {
      const auto now = seen[i].item<float>();
      CHECK(now > 0.0F);
      expected[i] = expected[i] == 0.0F ? now : expected[i] + (now - expected[i]) * 0.25F;
    }
    advance_ranges(model, 0.75);
    for (std::size_t i = 0; i < 9; ++i) {
      CHECK(train_test::near(ranges[i].item<float>(), expected[i]));
      CHECK(seen[i].item<float>() == 0.0F);
    }
  }
  for (const auto& [name, tensor] : model.parameters()) CHECK(!name.ends_with(range_suffix));
}
