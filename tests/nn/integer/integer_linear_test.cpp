// SPDX-License-Identifier: Apache-2.0
// Integer linear layers and the stages after them against 64-bit integers, to the last bit.
#include "lowbit/nn/integer/linear.hpp"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "../../support/archs.hpp"
#include "../../support/compare.hpp"
#include "../../support/weights.hpp"
#include "lowbit/policy/ibert.hpp"

namespace {

using namespace lowbit_test;
using format = lowbit::policy::ibert::linear;
using lowbit::dyadic;

struct stored_layer {
  std::vector<std::int8_t> codes;  // (N, K)
  std::vector<float> scales, bias;
  std::vector<lowbit::stored_tensor> tensors;

  stored_layer(std::size_t n, std::size_t k, random_source& random)
      : scales(random.floats(n, 0.01F, 0.005F)), bias(random.floats(n, 0.0F, 0.5F)) {
    for (std::size_t i = 0; i < n * k; ++i)
      codes.push_back(static_cast<std::int8_t>(static_cast<int>(random.below(255)) - 127));
    add("dense.weight.codes", codes.data(), lowbit::element_type::i8, 2, n, k);
    add("dense.weight.scale", scales.data(), lowbit::element_type::f32, 1, n, 1);
    add("dense.bias", bias.data(), lowbit::element_type::f32, 1, n, 1);
  }
  [[nodiscard]] lowbit::weight_set weights() const { return {tensors.data(), tensors.size()}; }

 private:
  void add(const char* name, const void* data, lowbit::element_type type, std::size_t rank,
           std::size_t rows, std::size_t cols) {
    lowbit::stored_tensor t;
    t.name = name;
    t.data = static_cast<const std::byte*>(data);
    t.type = type;
    t.rank = rank;
    t.shape[0] = rows;
    t.shape[1] = cols;
    tensors.push_back(t);
  }
};

template <class Arch>
void check_layer(std::size_t m, std::size_t n, std::size_t k, random_source& random) {
  CAPTURE(m, n, k);
  const stored_layer stored(n, k, random);
  constexpr double in = 0.02, out = 0.03;
  lowbit::integer_linear<format, Arch> layer;
  lowbit::encoded_rows<format> x, y, residual;
  const auto lay_out = [&](lowbit::arena& memory) {
    const auto s =
        layer.load(memory, stored.weights(), lowbit::tensor_name("dense"), n, k, in, out);
    INFO(s.message());
    REQUIRE(s.ok());
    x.plan(memory, m, k);
    y.plan(memory, m, n);
    residual.plan(memory, m, n);
    return memory.take_matrix<std::int32_t>(m, n, lowbit::round_up(n, 16));
  };
  lowbit::arena measure;
  lay_out(measure);
  const guarded<std::byte> memory(measure.used(), 0xFF);
  lowbit::arena space(memory.data(), memory.size());
  const auto sums = lay_out(space);
  const auto fill = [&](const lowbit::encoded_rows<format>& rows, std::size_t cols) {
    for (std::size_t r = 0; r < m; ++r) {
      for (std::size_t c = 0; c < lowbit::round_up(cols, 16); ++c) {
        const auto code = static_cast<std::int8_t>(static_cast<int>(random.below(255)) - 127);
        lowbit::code_bytes(rows)(r, c) = c < cols ? code : std::int8_t{0};
      }
    }
  };
  fill(x, k);
  fill(residual, n);
  lowbit::serial executor;
  lowbit::count_codes<Arch>(x, m, executor);
  dyadic ratio;
  REQUIRE(dyadic::from(3.7, "residual", ratio).ok());
  const auto bytes = lowbit::code_bytes(y);
  layer.run(x.first(m), layer.to_output() | lowbit::store_codes{bytes}, executor);
  layer.run(x.first(m),
            layer.to_output() | lowbit::add_residual_codes{lowbit::code_bytes(residual), ratio} |
                lowbit::store_integers{sums},
            executor);
  lowbit::count_codes<Arch>(y, m, executor);
  std::size_t wrong = 0;
  for (std::size_t r = 0; r < m; ++r) {
    std::int32_t count = 0;
    for (std::size_t o = 0; o < lowbit::round_up(n, 16); ++o) {
      std::int64_t expected = 0, residual_sum = 0;
      if (o < n) {
        const double step = static_cast<double>(stored.scales[o]) * in;
        std::int64_t acc = std::llround(static_cast<double>(stored.bias[o]) / step);
        for (std::size_t j = 0; j < k; ++j)
          acc += stored.codes[o * k + j] * lowbit::code_bytes(x)(r, j);
        dyadic d;
        REQUIRE(dyadic::from(step / out, "dense", d).ok());
        const std::int32_t value = d.apply(static_cast<std::int32_t>(acc));
        expected = std::clamp(value, -127, 127);
        residual_sum = value + ratio.apply(lowbit::code_bytes(residual)(r, o));
      }
      count += bytes(r, o);
      wrong += bytes(r, o) != expected || sums.row(r)[o] != residual_sum ? 1 : 0;
    }
    wrong += y.counts[r] != count ? 1 : 0;
  }
  CHECK(wrong == 0);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("an integer linear layer equals 64-bit integers on ragged sizes",
                        "[integer]", compiled_archs) {
  need_arch<TestType>();
  random_source random(640);
  CAPTURE(random.seed());
  for (const std::size_t n : {1U, 15U, 16U, 33U, 65U}) {
    for (const std::size_t k : {1U, 3U, 16U, 75U, 257U}) check_layer<TestType>(5, n, k, random);
  }
  check_layer<TestType>(33, 32, 64, random);
}

TEMPLATE_LIST_TEST_CASE("an integer linear layer keeps to 32 bits at its extremes", "[integer]",
                        compiled_archs) {
  need_arch<TestType>();
  constexpr std::size_t k = 1 << 16;
  random_source random(641);
  stored_layer stored(2, k, random);
  for (std::size_t j = 0; j < k; ++j) {
    stored.codes[j] = 127;
    stored.codes[k + j] = -127;
  }
  constexpr float step = 0x1p-10F;
  stored.scales = {step, step};
  stored.bias = {step * 0x1.FFFFFEp29F, -step * 0x1.FFFFFEp29F};  // nearly 2^30 steps
  lowbit::integer_linear<format, TestType> layer;
  lowbit::encoded_rows<format> x;
  const auto lay_out = [&](lowbit::arena& memory) {
    REQUIRE(layer
                .load(memory, stored.weights(), lowbit::tensor_name("dense"), 2, k, 1.0,
                      static_cast<double>(step) * 4)
                .ok());
    x.plan(memory, 1, k);
    return memory.take_matrix<std::int32_t>(1, 2, 16);
  };
  lowbit::arena measure;
  lay_out(measure);
  const guarded<std::byte> memory(measure.used(), 0xFF);
  lowbit::arena space(memory.data(), memory.size());
  const auto out = lay_out(space);
  std::memset(lowbit::code_bytes(x).row(0), 127, k);
  lowbit::serial executor;
  lowbit::count_codes<TestType>(x, 1, executor);
  layer.run(x.first(1), layer.to_output() | lowbit::store_integers{out}, executor);
  const std::int64_t acc = std::int64_t{127} * 127 * k + ((std::int64_t{1} << 30) - 64);
  CHECK(out(0, 0) == (acc + 2) / 4);
  CHECK(out(0, 1) == -((acc + 1) / 4));
}

TEST_CASE("an integer linear layer names what it cannot hold", "[integer]") {
  random_source random(642);
  const guarded<std::byte> memory(1 << 16);
  const auto load = [&](const stored_layer& stored, std::size_t k, double in, double out) {
    lowbit::arena space(memory.data(), memory.size());
    lowbit::integer_linear<format, lowbit::scalar> layer;
    return layer.load(space, stored.weights(), lowbit::tensor_name("dense"), 3, k, in, out);
  };
  stored_layer stored(3, 8, random);
  CHECK(load(stored, 8, 0.1, 0.1).ok());
  CHECK(load(stored, 65537, 0.1, 0.1).message() ==
        "dense has 65537 inputs, an integer layer takes at most 65536");
  CHECK(load(stored, 8, 1e-12, 0.1)
            .message()
            .find("is 2^30 steps of its weights or more, expected a larger weight scale") !=
        std::string_view::npos);
  CHECK(load(stored, 8, 0.1, 1e-20).message().find("scales of dense is not below 2^29") !=
        std::string_view::npos);
  stored.scales[1] = 0.0F;  // a row of zeros cannot hold a bias
  CHECK(load(stored, 8, 0.1, 0.1).message().find("tensor dense.bias element 1 is 2^30 steps") == 0);
  stored.bias[1] = 0.0F;
  CHECK(load(stored, 8, 0.1, 0.1).ok());
  stored.codes[9] = -128;
  CHECK(load(stored, 8, 0.1, 0.1).message() ==
        "tensor dense.weight.codes row 1 column 1 is -128, expected -127 to 127");
  stored.codes[9] = 0;
  stored.bias[2] = std::nanf("");
  CHECK(load(stored, 8, 0.1, 0.1).message() == "tensor dense.bias element 2 is not finite");
}
