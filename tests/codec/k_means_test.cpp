// SPDX-License-Identifier: Apache-2.0
// Clustering against naive searches: nearest by trying all, errors by summing, and the optimum of
// tiny inputs by trying every way to cut the sorted numbers.
#include "lowbit/codec/k_means.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "../io/expect_error.hpp"
#include "../support/random.hpp"

namespace {

using namespace lowbit_test;
using lowbit::k_means;
using lowbit::l1_means;

std::size_t naive_nearest(const std::vector<float>& centroids, float v) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < centroids.size(); ++i) {
    const double old = std::fabs(static_cast<double>(v) - static_cast<double>(centroids[best]));
    if (std::fabs(static_cast<double>(v) - static_cast<double>(centroids[i])) < old) best = i;
  }
  return best;
}

/// Sum of |v - nearest|^power.
double error_of(const std::vector<float>& values, const std::vector<float>& centroids, int power) {
  double sum = 0;
  for (const float v : values) {
    const double off = std::fabs(static_cast<double>(v) -
                                 static_cast<double>(centroids[naive_nearest(centroids, v)]));
    sum += power == 1 ? off : off * off;
  }
  return sum;
}

double mean_of(const std::vector<float>& sorted, std::size_t begin, std::size_t end) {
  double sum = 0;
  for (std::size_t i = begin; i < end; ++i) sum += static_cast<double>(sorted[i]);
  return sum / static_cast<double>(end - begin);
}

/// The least squared error of `sorted` from `begin` on in n clusters.
double optimum(const std::vector<float>& sorted, std::size_t begin, std::size_t n) {
  if (n == 0) return begin == sorted.size() ? 0 : HUGE_VAL;
  double least = HUGE_VAL;
  for (std::size_t end = begin + 1; end <= sorted.size(); ++end) {
    const double mean = mean_of(sorted, begin, end);
    double error = 0;
    for (std::size_t i = begin; i < end; ++i) {
      error += (static_cast<double>(sorted[i]) - mean) * (static_cast<double>(sorted[i]) - mean);
    }
    least = std::min(least, error + optimum(sorted, end, n - 1));
  }
  return least;
}

std::vector<float> sorted_of(std::vector<float> values) {
  std::sort(values.begin(), values.end());
  return values;
}
std::vector<float> quantile_start(const std::vector<float>& values, std::size_t n) {
  const std::vector<float> sorted = sorted_of(values);
  std::vector<float> start;
  for (std::size_t i = 0; i < n; ++i)
    start.push_back(sorted[(2 * i + 1) * sorted.size() / (2 * n)]);
  return start;
}
std::vector<float> share_start(const std::vector<float>& values, std::size_t n) {
  const std::vector<float> sorted = sorted_of(values);
  std::vector<float> start;
  for (std::size_t i = 0; i < n; ++i) {
    start.push_back(
        static_cast<float>(mean_of(sorted, i * sorted.size() / n, (i + 1) * sorted.size() / n)));
  }
  return start;
}

/// Distance of the centroid that is farthest from the mean of the numbers nearest to it; infinite
/// where a centroid has none.
double largest_move(const std::vector<float>& values, const std::vector<float>& centroids) {
  std::vector<double> sums(centroids.size()), counts(centroids.size());
  for (const float v : values) {
    sums[naive_nearest(centroids, v)] += static_cast<double>(v);
    counts[naive_nearest(centroids, v)] += 1;
  }
  double most = 0;
  for (std::size_t i = 0; i < centroids.size(); ++i) {
    if (counts[i] == 0) return HUGE_VAL;
    most = std::max(most, std::fabs(sums[i] / counts[i] - static_cast<double>(centroids[i])));
  }
  return most;
}

std::vector<float> centroids_of(lowbit::result<std::vector<float>> found) {
  INFO(found.status().message());
  REQUIRE(found.ok());
  return *std::move(found);
}

/// Many equal numbers, as trained weights have that were pruned.
std::vector<float> with_repeats(std::size_t count, random_source& random) {
  std::vector<float> values = random.floats(count, 0.0F, 1.0F);
  for (float& v : values) {
    if (random.below(4) != 0) v = 0.0F;
  }
  return values;
}

}  // namespace

TEST_CASE("tiny inputs end at a fixpoint between the optimum and the quantile start", "[codec]") {
  random_source random(240);
  CAPTURE(random.seed());
  std::size_t optimal = 0;
  for (int trial = 0; trial < 60; ++trial) {
    const std::size_t count = 4 + random.below(8);
    const std::size_t n = 2 + random.below(3);
    const std::vector<float> values = random.floats(count, 0.0F, 1.0F);
    const std::vector<float> centroids = centroids_of(k_means(values, n));
    REQUIRE(centroids.size() == n);
    CHECK(std::is_sorted(centroids.begin(), centroids.end()));
    CHECK(largest_move(values, centroids) < 1e-6);
    const double error = error_of(values, centroids, 2);
    const double least = optimum(sorted_of(values), 0, n);
    CHECK(error <= error_of(values, quantile_start(values, n), 2) + 1e-9);
    CHECK(error >= least - 1e-9);
    optimal += error <= least + 1e-9 ? 1 : 0;
  }
  CHECK(optimal > 20);  // Lloyd stops at a local optimum, but not always
}

TEST_CASE("clusters far apart are found exactly", "[codec]") {
  std::vector<float> values;
  for (const float center : {-8.0F, -1.0F, 3.0F, 100.0F}) {
    for (const float offset : {-0.25F, 0.0F, 0.25F, 0.0F, 0.5F, -0.5F}) {
      values.push_back(center + offset);
    }
  }
  CHECK(centroids_of(k_means(values, 4)) == std::vector<float>{-8, -1, 3, 100});
  CHECK(centroids_of(l1_means(values, 4)) == std::vector<float>{-8, -1, 3, 100});
}

TEST_CASE("as many centroids as distinct numbers are these numbers", "[codec]") {
  const std::vector<float> values{0.1F, -0.3F, 0.1F, 7e-9F, 5, 0.1F, -0.3F, -0.0F, 0.0F, 0.0F};
  const std::vector<float> distinct{-0.3F, 0, 7e-9F, 0.1F, 5};
  CHECK(centroids_of(k_means(values, 5)) == distinct);
  CHECK(centroids_of(l1_means(values, 5)) == distinct);
  for (const float c : centroids_of(k_means(values, 5))) CHECK_FALSE((c == 0 && std::signbit(c)));
}

TEST_CASE("a codebook larger than its data is an error", "[codec]") {
  const std::vector<float> values{1, 2, 2, -0.0F, 0, 1};
  for (const auto& refused : {k_means(values, 4), l1_means(values, 4)}) {
    expect_error(refused.status(), lowbit::errc::invalid_argument,
                 {"codebook of 4 values", "larger than its data", "3 distinct"});
  }
  expect_error(k_means({}, 4).status(), lowbit::errc::invalid_argument, {"0 distinct"});
}

TEST_CASE("repeated numbers leave no centroid without numbers", "[codec]") {
  random_source random(241);
  CAPTURE(random.seed());
  for (const std::size_t n : {4U, 7U, 16U, 33U}) {
    const std::vector<float> values = with_repeats(400, random);
    const std::vector<float> by_square = centroids_of(k_means(values, n));
    CHECK(largest_move(values, by_square) < 1e-2);
    CHECK(error_of(values, by_square, 2) <=
          error_of(values, quantile_start(values, n), 2) * (1 + 1e-9));
    const std::vector<float> by_distance = centroids_of(l1_means(values, n));
    CHECK(largest_move(values, by_distance) < HUGE_VAL);
    for (std::size_t i = 1; i < n; ++i) {
      CHECK(by_square[i - 1] < by_square[i]);
      CHECK(by_distance[i - 1] < by_distance[i]);
    }
  }
}

TEST_CASE("the errors fall with more centroids and are never above the start's", "[codec]") {
  random_source random(242);
  CAPTURE(random.seed());
  std::vector<float> values(3000);
  for (float& v : values) {
    for (int i = 0; i < 6; ++i) v += random.around(0.0F, 0.1F);
  }
  double square_before = HUGE_VAL;
  double distance_before = HUGE_VAL;
  for (const std::size_t n : {4U, 6U, 11U, 16U, 31U, 64U, 100U, 256U}) {
    CAPTURE(n);
    const std::vector<float> by_square = centroids_of(k_means(values, n));
    const std::vector<float> by_distance = centroids_of(l1_means(values, n));
    REQUIRE(by_square.size() == n);
    REQUIRE(by_distance.size() == n);
    const double square = error_of(values, by_square, 2);
    const double distance = error_of(values, by_distance, 1);
    CHECK(square <= error_of(values, quantile_start(values, n), 2));
    CHECK(distance <= error_of(values, share_start(values, n), 1) * (1 + 1e-12));
    CHECK(square < square_before);
    CHECK(distance < distance_before);
    square_before = square;
    distance_before = distance;
  }
}

TEST_CASE("another round after l1_means brings nothing", "[codec]") {
  random_source random(243);
  CAPTURE(random.seed());
  for (int trial = 0; trial < 20; ++trial) {
    const std::vector<float> values = random.floats(200, 0.0F, 1.0F);
    const std::vector<float> centroids = centroids_of(l1_means(values, 8));
    std::vector<double> sums(8), counts(8);
    for (const float v : values) {
      sums[naive_nearest(centroids, v)] += static_cast<double>(v);
      counts[naive_nearest(centroids, v)] += 1;
    }
    std::vector<float> next;
    for (std::size_t i = 0; i < 8; ++i) next.push_back(static_cast<float>(sums[i] / counts[i]));
    CHECK(error_of(values, next, 1) >= error_of(values, centroids, 1) * (1 - 1e-9));
  }
}

TEST_CASE("the order of the numbers does not matter", "[codec]") {
  random_source random(244);
  CAPTURE(random.seed());
  std::vector<float> values = with_repeats(300, random);
  const auto first = centroids_of(k_means(values, 9));
  const auto first_l1 = centroids_of(l1_means(values, 9));
  for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[random.below(i)]);
  CHECK(centroids_of(k_means(values, 9)) == first);
  CHECK(centroids_of(l1_means(values, 9)) == first_l1);
}

TEST_CASE("nearest_centroid equals the search over all, a tie is the lower one", "[codec]") {
  const std::vector<float> even{-1, 1, 3, 3, 10};
  const lowbit::nearest_centroid nearest(even);
  CHECK(nearest(0.0F) == 0);
  CHECK(nearest(2.0F) == 1);
  CHECK(nearest(3.0F) == 2);  // of equal centroids the first
  CHECK(nearest(-1e38F) == 0);
  CHECK(nearest(1e38F) == 4);
  random_source random(245);
  CAPTURE(random.seed());
  for (const std::size_t n : {1U, 2U, 5U, 16U, 255U}) {
    const std::vector<float> centroids = sorted_of(random.floats(n, 0.0F, 1.0F));
    const lowbit::nearest_centroid find(centroids);
    std::size_t wrong = 0;
    for (int i = 0; i < 500; ++i) {
      const float v = random.around(0.0F, 1.2F);
      if (find(v) != naive_nearest(centroids, v)) ++wrong;
    }
    CHECK(wrong == 0);
  }
}
