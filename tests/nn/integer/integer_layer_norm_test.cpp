// SPDX-License-Identifier: Apache-2.0
// Integer square root on every size of argument, and integer layer norm against double.
#include "lowbit/nn/integer/layer_norm.hpp"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "../../support/archs.hpp"
#include "../../support/compare.hpp"
#include "../../support/weights.hpp"
#include "lowbit/policy/ibert.hpp"

namespace {

using namespace lowbit_test;
using rows_format = lowbit::policy::ibert::linear;

tensor_store norm_tensors(std::size_t cols, random_source& random) {
  tensor_store tensors;
  auto gamma = random.floats(cols, 1.0F, 0.5F);
  gamma[0] = -0.75F;
  gamma[cols / 2] = 0.0F;
  tensors.add("norm.weight", {cols}, gamma);
  tensors.add("norm.bias", {cols}, random.floats(cols, 0.0F, 0.5F));
  return tensors;
}

struct norm_run {
  std::vector<std::int8_t> codes;  // (M, D)
  std::vector<std::int32_t> counts;
};

template <class Arch>
norm_run run_norm(const tensor_store& tensors, const std::vector<std::int32_t>& x, std::size_t cols,
                  float eps, double in, double out) {
  const std::size_t m = x.size() / cols;
  const std::size_t padded = lowbit::round_up(cols, 16);
  const auto lay_out = [&](lowbit::arena& memory, auto& norm, auto& rows) {
    const auto s =
        norm.load(memory, tensors.weights(), lowbit::tensor_name("norm"), cols, eps, in, out);
    INFO(s.message());
    REQUIRE(s.ok());
    rows.plan(memory, m, cols);
    return memory.template take_matrix<std::int32_t>(m, cols, padded);
  };
  lowbit::integer_layer_norm<Arch> norm;
  lowbit::encoded_rows<rows_format> rows;
  lowbit::arena measure;
  lay_out(measure, norm, rows);
  const guarded<std::byte> memory(measure.used(), 0xFF);
  lowbit::arena space(memory.data(), memory.size());
  const auto sums = lay_out(space, norm, rows);
  for (std::size_t r = 0; r < m; ++r) {
    for (std::size_t c = 0; c < padded; ++c) sums.row(r)[c] = c < cols ? x[r * cols + c] : 0;
  }
  lowbit::serial executor;
  norm.run(sums, rows, executor);
  norm_run result;
  for (std::size_t r = 0; r < m; ++r) {
    const std::int8_t* bytes = lowbit::code_bytes(rows).row(r);
    result.codes.insert(result.codes.end(), bytes, bytes + cols);
    for (std::size_t c = cols; c < padded; ++c) CHECK(bytes[c] == 0);
    result.counts.push_back(rows.counts[r]);
  }
  return result;
}

/// What double makes of the same integers, not yet rounded, limited to -127..127.
std::vector<double> expected_codes(const tensor_store& tensors, const std::vector<std::int32_t>& x,
                                   std::size_t cols, double eps, double in, double out) {
  std::vector<double> expected;
  for (std::size_t r = 0; r < x.size() / cols; ++r) {
    double mean = 0, variance = 0;
    for (std::size_t c = 0; c < cols; ++c) mean += in * x[r * cols + c];
    mean /= static_cast<double>(cols);
    for (std::size_t c = 0; c < cols; ++c) {
      const double d = in * x[r * cols + c] - mean;
      variance += d * d / static_cast<double>(cols);
    }
    for (std::size_t c = 0; c < cols; ++c) {
      const double gamma = static_cast<double>(tensors.weights().find("norm.weight")->at(c));
      const double beta = static_cast<double>(tensors.weights().find("norm.bias")->at(c));
      const double y = (in * x[r * cols + c] - mean) / std::sqrt(variance + eps) * gamma + beta;
      expected.push_back(std::clamp(y / out, -127.0, 127.0));
    }
  }
  return expected;
}

}  // namespace

TEST_CASE("the integer square root is the floor of the root", "[integer]") {
  const auto check = [](std::uint64_t n) {
    const std::uint64_t r = lowbit::integer_sqrt(n);
    CHECK((r * r <= n && n < (r + 1) * (r + 1)));
  };
  for (std::uint64_t n = 0; n < 5000; ++n) check(n);
  for (std::uint64_t root = 1; root < (std::uint64_t{1} << 31); root = root * 3 + 1) {
    check(root * root - 1);
    check(root * root);
    check(root * root + 1);
  }
  random_source random(630);
  CAPTURE(random.seed());
  for (int n = 0; n < 5000; ++n) check(random.bits() >> (2 + random.below(60)));
  check((std::uint64_t{1} << 62) - 1);
}

TEMPLATE_LIST_TEST_CASE("integer layer norm is within a code step of the real one", "[integer]",
                        compiled_archs) {
  need_arch<TestType>();
  random_source random(631);
  CAPTURE(random.seed());
  for (const std::size_t cols : {1U, 7U, 16U, 45U, 768U}) {
    const tensor_store tensors = norm_tensors(cols, random);
    for (const float spread : {3.0F, 1000.0F, 2097151.0F}) {
      std::vector<std::int32_t> x(3 * cols);
      for (std::int32_t& v : x)
        v = static_cast<std::int32_t>(random.around(0.3F * spread, 0.7F * spread));
      CAPTURE(cols, spread);
      const float eps = 1e-12F;
      const double in = 3e-6, out = 0.03;
      const norm_run ours = run_norm<TestType>(tensors, x, cols, eps, in, out);
      const auto expected = expected_codes(tensors, x, cols, static_cast<double>(eps), in, out);
      // The mean is an integer: with sums this small its fraction counts. Else half a code step and
      // the last of 1/256.
      const double bound = spread < 10.0F ? 40.0 : spread < 10000.0F ? 0.55 : 0.51;
      double worst = 0;
      for (std::size_t c = 0; c < expected.size(); ++c)
        worst = std::max(worst, std::abs(ours.codes[c] - expected[c]));
      CHECK(worst <= bound);
      for (std::size_t r = 0; r < 3; ++r) {
        std::int32_t sum = 0;
        for (std::size_t c = 0; c < cols; ++c) sum += ours.codes[r * cols + c];
        CHECK(ours.counts[r] == sum);
      }
      const norm_run scalar = run_norm<lowbit::scalar>(tensors, x, cols, eps, in, out);
      CHECK(ours.codes == scalar.codes);
    }
  }
}

TEMPLATE_LIST_TEST_CASE("integer layer norm at the ends of 22 bits and 2^16 columns", "[integer]",
                        compiled_archs) {
  need_arch<TestType>();
  constexpr std::size_t cols = 1 << 16;
  constexpr std::int32_t end = lowbit::add_residual_codes::limit;
  tensor_store tensors;
  tensors.add("norm.weight", {cols}, std::vector<float>(cols, 1.0F));
  tensors.add("norm.bias", {cols}, std::vector<float>(cols, 0.0F));
  std::vector<std::int32_t> halves(cols), one_out(cols, -end), equal(cols, end);
  for (std::size_t c = 0; c < cols; ++c) halves[c] = c % 2 == 0 ? end : -end;
  one_out[3] = end;  // its normalised value is sqrt(D - 1), ~ 256
  const auto run = [&](const std::vector<std::int32_t>& x, double out) {
    return run_norm<TestType>(tensors, x, cols, 1e-12F, 1e-5, out).codes;
  };
  const auto halves_codes = run(halves, 1.0 / 100);
  CHECK(halves_codes[0] == 100);
  CHECK(halves_codes[1] == -100);
  const auto one_codes = run(one_out, 256.0 / 100);
  CHECK(one_codes[3] == 100);
  CHECK(one_codes[4] == 0);
  CHECK(run(equal, 0.01)[5] == 0);  // no variance: beta
}

TEST_CASE("an integer layer norm's eps is that of the real one", "[integer]") {
  random_source random(632);
  CAPTURE(random.seed());
  constexpr std::size_t cols = 64;
  const tensor_store tensors = norm_tensors(cols, random);
  std::vector<std::int32_t> x(cols);
  for (std::int32_t& v : x) v = static_cast<std::int32_t>(random.around(0.0F, 1000.0F));
  const double in = 1e-5, out = 0.02;  // variance ~ 3e-5
  for (const float eps : {1e-5F, 1e-3F}) {
    const auto codes = run_norm<lowbit::scalar>(tensors, x, cols, eps, in, out).codes;
    const auto expected = expected_codes(tensors, x, cols, static_cast<double>(eps), in, out);
    for (std::size_t c = 0; c < cols; ++c) CHECK(std::abs(codes[c] - expected[c]) <= 0.6);
  }
  // An eps beyond all sums leaves beta.
  const auto codes = run_norm<lowbit::scalar>(tensors, x, cols, 0.99F, 1e-12, out).codes;
  for (std::size_t c = 0; c < cols; ++c) {
    const double beta = static_cast<double>(tensors.weights().find("norm.bias")->at(c));
    CHECK(std::abs(codes[c] - beta / out) <= 0.6);
  }
}

TEST_CASE("an integer layer norm names the tensor that does not fit", "[integer]") {
  random_source random(633);
  const guarded<std::byte> memory(1 << 14);
  const auto load = [&](const tensor_store& tensors, double out) {
    lowbit::arena space(memory.data(), memory.size());
    lowbit::integer_layer_norm<lowbit::scalar> norm;
    return norm.load(space, tensors.weights(), lowbit::tensor_name("norm"), 20, 1e-12F, 1e-5, out);
  };
  CHECK(load(tensor_store{}, 0.1).message() == "tensor norm.weight is missing");
  tensor_store bad = norm_tensors(20, random);
  const float nan = std::nanf("");
  std::memcpy(bad.bytes("norm.bias").data() + 8, &nan, sizeof nan);
  CHECK(load(bad, 0.1).message() == "tensor norm.bias element 2 is not finite");
  const auto s = load(norm_tensors(20, random), 1e-30);
  CHECK(s.code() == lowbit::errc::unsupported);
  CHECK(s.message().find("scales of norm is not below 2^29") != std::string_view::npos);
}
