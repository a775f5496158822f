// SPDX-License-Identifier: Apache-2.0
#include "compare.hpp"

#include <cmath>

namespace lowbit_bench {
namespace {

std::string sizes(std::size_t out, std::size_t expected) {
  return std::to_string(out) + " values, expected " + std::to_string(expected);
}

}  // namespace

std::string expect_close(const std::vector<float>& out, const std::vector<float>& expected,
                         double bound) {
  if (out.size() != expected.size() || out.empty()) return sizes(out.size(), expected.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const double difference =
        std::abs(static_cast<double>(out[i]) - static_cast<double>(expected[i]));
    if (!(difference <= bound)) {
      return "value " + std::to_string(i) + " is " + std::to_string(out[i]) + ", lowbit's is " +
             std::to_string(expected[i]) + ", allowed difference " + std::to_string(bound);
    }
  }
  return {};
}

std::string expect_cosine(const std::vector<float>& out, const std::vector<float>& expected,
                          double least) {
  if (out.size() != expected.size() || out.empty()) return sizes(out.size(), expected.size());
  double product = 0;
  double out_norm = 0;
  double expected_norm = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto a = static_cast<double>(out[i]);
    const auto b = static_cast<double>(expected[i]);
    product += a * b;
    out_norm += a * a;
    expected_norm += b * b;
  }
  const double cosine = product / std::sqrt(out_norm * expected_norm);
  if (cosine >= least) return {};
  return "cosine with lowbit fp32 is " + std::to_string(cosine) + ", expected at least " +
         std::to_string(least);
}

bool comparers_work() {
  const std::vector<float> right{1.0F, -2.0F, 3.0F};
  const std::vector<float> near{1.0F, -2.0F, 3.0005F};
  const std::vector<std::vector<float>> others{
      {1.0F, -2.0F, 3.5F}, {1.0F, 2.0F, 3.0F}, {1.0F, -2.0F, NAN}, {1.0F, -2.0F}, {0, 0, 0}, {}};
  bool work = expect_close(near, right, 1e-3).empty() && expect_cosine(near, right, 0.999).empty();
  for (const std::vector<float>& other : others) {
    work = work && !expect_close(other, right, 1e-3).empty() &&
           !expect_cosine(other, right, 0.999).empty();
  }
  return work;
}

}  // namespace lowbit_bench
