// SPDX-License-Identifier: Apache-2.0
#include "lowbit/nn/layer_norm.hpp"

#include <catch2/catch_test_macros.hpp>
#include <limits>

#include "../support/archs.hpp"
#include "../support/bit_rows.hpp"
#include "../support/compare.hpp"
#include "../support/two_threads.hpp"
#include "../support/weights.hpp"

namespace {

using namespace lowbit_test;
using lowbit::word;

constexpr std::size_t widths[] = {1, 15, 16, 17, 75, 128, 312, 768};
constexpr std::size_t tokens = 35;  // more than two tasks of 16 rows
constexpr float eps = 1e-12F;

struct norm_case {
  std::size_t cols;
  std::vector<float> gamma, beta, x;
  tensor_store tensors;

  norm_case(std::size_t width, std::uint64_t seed) : cols(width) {
    random_source random(seed);
    gamma = random.floats(cols, 1.0F, 0.3F);
    beta = random.floats(cols, 0.0F, 0.3F);
    x = random.floats(tokens * cols, 0.5F, 2.0F);
    for (std::size_t c = 0; c < cols; ++c) x[3 * cols + c] = 0.25F;  // a constant row
    tensors.add("norm.weight", {cols}, gamma);
    tensors.add("norm.bias", {cols}, beta);
  }

  /// As BERT's: biased variance, eps inside the root.
  [[nodiscard]] std::vector<double> in_double() const {
    std::vector<double> y(x.size());
    for (std::size_t t = 0; t < tokens; ++t) {
      const float* row = x.data() + t * cols;
      double mean = 0;
      double variance = 0;
      for (std::size_t c = 0; c < cols; ++c) mean += static_cast<double>(row[c]);
      mean /= static_cast<double>(cols);
      for (std::size_t c = 0; c < cols; ++c) {
        variance += (static_cast<double>(row[c]) - mean) * (static_cast<double>(row[c]) - mean);
      }
      variance /= static_cast<double>(cols);
      const double inverse = 1.0 / std::sqrt(variance + static_cast<double>(eps));
      for (std::size_t c = 0; c < cols; ++c) {
        y[t * cols + c] =
            (static_cast<double>(row[c]) - mean) * inverse * static_cast<double>(gamma[c]) +
            static_cast<double>(beta[c]);
      }
    }
    return y;
  }

  template <class Arch, class Sink, class Executor>
  void run(const Sink& sink, Executor& executor, const lowbit::row_marks& marks = {}) const {
    lowbit::arena measure;
    lowbit::layer_norm<Arch> norm;
    REQUIRE(norm.load(measure, {}, lowbit::tensor_name("norm"), cols, eps).ok());
    const guarded<std::byte> memory(measure.used());
    lowbit::arena space(memory.data(), memory.size());
    REQUIRE(norm.load(space, tensors.weights(), lowbit::tensor_name("norm"), cols, eps).ok());
    const guarded_copy rows(x);
    norm.run(lowbit::matrix_view<const float>{rows.data(), tokens, cols, cols}, sink, executor,
             marks);
  }
  template <class Arch>
  [[nodiscard]] std::vector<float> values() const {
    const canary_matrix<float> out(tokens, cols, cols + 1);
    lowbit::serial executor;
    run<Arch>(lowbit::store{out.view()}, executor);
    CHECK(out.damage() == "");
    std::vector<float> y;
    for (std::size_t t = 0; t < tokens; ++t) {
      y.insert(y.end(), out.view().row(t), out.view().row(t) + cols);
    }
    return y;
  }
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("layer norm is close to its formula in double", "[layer_norm]",
                        compiled_archs) {
  need_arch<TestType>();
  for (const std::size_t cols : widths) {
    const norm_case c(cols, 180 + cols);
    const std::vector<float> y = c.values<TestType>();
    CAPTURE(cols);
    // About 16 + cols / 16 roundings per sum; values stay below 10.
    CHECK(farther_than(1e-5, std::vector<double>(y.begin(), y.end()), c.in_double()) == "");
  }
}

TEMPLATE_LIST_TEST_CASE("layer norm gives the same bits on every arch and with two threads",
                        "[layer_norm]", compiled_archs) {
  need_arch<TestType>();
  for (const std::size_t cols : widths) {
    const norm_case c(cols, 280 + cols);
    const std::vector<float> expected = c.values<lowbit::scalar>();
    CAPTURE(cols);
    CHECK(difference(c.values<TestType>(), expected) == "");
    const canary_matrix<float> out(tokens, cols, cols);
    two_threads executor;
    c.run<TestType>(lowbit::store{out.view()}, executor);
    CHECK(difference<float>(out.view(), {expected.data(), tokens, cols, cols}) == "");
  }
}

TEMPLATE_LIST_TEST_CASE("a constant row becomes beta exactly", "[layer_norm]", compiled_archs) {
  need_arch<TestType>();
  const norm_case c(75, 181);
  const std::vector<float> y = c.values<TestType>();
  for (std::size_t i = 0; i < 75; ++i) CHECK(y[3 * 75 + i] == c.beta[i]);
}

TEMPLATE_LIST_TEST_CASE("the sign encoder marks what is below zero after the shift", "[layer_norm]",
                        compiled_archs) {
  need_arch<TestType>();
  random_source random(182);
  CAPTURE(random.seed());
  for (const std::size_t cols : widths) {
    const norm_case c(cols, 380 + cols);
    const std::vector<float> y = c.values<TestType>();
    const guarded_copy shift(random.floats(cols, 0.0F, 0.5F));
    const std::size_t words = lowbit::words_for(cols);
    const canary_matrix<word> plain(tokens, words, words + 1);
    const canary_matrix<word> shifted(tokens, words, words + 1);
    plain.clear();
    shifted.clear();
    lowbit::serial executor;
    const lowbit::vector_view<const float> shifts{shift.data(), cols};
    c.run<TestType>(lowbit::fan_out{lowbit::sign_encoder{plain.view(), cols},
                                    lowbit::sign_encoder{shifted.view(), cols, shifts}},
                    executor);
    bool equal = true;
    for (std::size_t t = 0; t < tokens; ++t) {
      for (std::size_t j = 0; j < words * 64; ++j) {
        const bool inside = j < cols;
        const float v = inside ? y[t * cols + j] : 1.0F;
        const float s = inside ? shift[j] : 0.0F;
        equal = equal && bit_at(plain.view().row(t), j) == (v < 0.0F);
        equal = equal && bit_at(shifted.view().row(t), j) == (v + s < 0.0F);
      }
    }
    CAPTURE(cols);
    CHECK(equal);
    CHECK(plain.damage() == "");
    CHECK(shifted.damage() == "");
  }
}

TEST_CASE("both zeros are +1 for the sign encoder", "[layer_norm]") {
  word bits[1] = {0};
  const lowbit::sign_encoder encode{{bits, 1, 1, 1}, 3};
  const float values[16] = {0.0F, -0.0F, -1e-45F, -1.0F};
  encode(lowbit::f32x16<lowbit::scalar>::load(values), 0, std::size_t{0});
  CHECK(bits[0] == 0b100);
}

TEST_CASE("layer norm names the tensor that is missing or has another size", "[layer_norm]") {
  const norm_case c(16, 183);
  const guarded<std::byte> memory(1024);
  lowbit::layer_norm<lowbit::scalar> norm;
  lowbit::arena space(memory.data(), memory.size());
  const auto missing = norm.load(space, c.tensors.weights(), lowbit::tensor_name("other"), 16, eps);
  CHECK(missing.message() == "tensor other.weight is missing");
  const auto wide = norm.load(space, c.tensors.weights(), lowbit::tensor_name("norm"), 17, eps);
  CHECK(wide.message() == "tensor norm.weight has shape [16, 1], expected [1, 17]");
  CHECK(wide.code() == lowbit::errc::shape_mismatch);
}

TEMPLATE_LIST_TEST_CASE("layer norm marks the rows that are not finite, and no other",
                        "[layer_norm]", compiled_archs) {
  need_arch<TestType>();
  for (const std::size_t cols : widths) {
    norm_case c(cols, 184);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    c.x[4 * cols] = nan;
    c.x[9 * cols + cols - 1] = -std::numeric_limits<float>::infinity();
    for (std::size_t i = 0; i < cols; ++i)  // finite values whose sum or squares overflow
      c.x[34 * cols + i] = i % 2 == 0 ? 3e38F : -3e38F;
    lowbit::arena measure;
    lowbit::row_marks marks;
    marks.plan(measure, tokens);
    const guarded<std::byte> memory(measure.used());
    lowbit::arena space(memory.data(), memory.size());
    marks.plan(space, tokens);
    marks.clear(tokens);
    const canary_matrix<float> out(tokens, cols, cols + 1);
    lowbit::serial executor;
    c.run<TestType>(lowbit::store{out.view()}, executor, marks);
    CAPTURE(cols);
    for (std::size_t t = 0; t < tokens; ++t) {
      const bool wide = cols > 1;  // one value has no variance
      const bool expected = t == 4 || t == 9 || (t == 34 && wide);
      CHECK((marks.from(t).first(1) == 0) == expected);
    }
    CHECK(marks.first(tokens) == 4);
  }
}
