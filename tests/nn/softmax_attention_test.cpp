// SPDX-License-Identifier: Apache-2.0
// Softmax attention against loops in double, and bit for bit across archs and executors.
#include "lowbit/nn/softmax_attention.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "../support/archs.hpp"
#include "../support/lanes.hpp"
#include "../support/two_threads.hpp"
#include "attention_case.hpp"
#include "lowbit/nn/layer_norm.hpp"

namespace {

using namespace lowbit_test;

struct float_qkv {
  attention_case c;
  std::vector<float> q, k, v;
  std::vector<float> bias;  // (buckets, heads), or empty
  float_qkv(const attention_case& batch, random_source& random) : c(batch) {
    const std::size_t n = c.tokens() * c.hidden();
    q = random.floats(n, 0.0F, 1.5F);
    k = random.floats(n, 0.0F, 1.5F);
    v = random.floats(n, 0.0F, 1.0F);
    if (c.relative_bias) bias = random.floats(lowbit::relative_buckets * c.heads, 0.0F, 2.0F);
  }
};

/// The row of the bias table as Hugging Face's MPNet computes it, in double.
std::size_t bucket_by_logarithm(std::ptrdiff_t distance) {
  const double n = std::abs(static_cast<double>(distance));
  double bucket = n;
  // The nudge is for n = 16, 32 and 64, where the quotient of logarithms is an integer.
  if (n >= 8) bucket = std::fmin(8 + std::floor(std::log(n / 8) / std::log(16) * 8 + 1e-9), 15);
  return static_cast<std::size_t>(bucket) + (distance > 0 ? 16 : 0);
}

/// Rows (T, H d) with rotary positions; the angles are floats, as in the reference.
std::vector<double> turned(const attention_case& c, const std::vector<float>& rows) {
  std::vector<double> out(rows.begin(), rows.end());
  if (c.window == 0) return out;
  const std::size_t half = c.width / 2;
  for (std::size_t t = 0; t < c.tokens(); ++t) {
    const auto position = static_cast<float>(t - c.begin(c.sentence_of(t)));
    for (std::size_t i = 0; i < c.heads * half; ++i) {
      const double power = -2.0 * static_cast<double>(i % half) / static_cast<double>(c.width);
      const double angle = static_cast<double>(position * static_cast<float>(std::pow(100, power)));
      double& low = out[t * c.hidden() + i / half * c.width + i % half];
      double& high = (&low)[half];
      const double a = low, b = high;
      low = a * std::cos(angle) - b * std::sin(angle);
      high = b * std::cos(angle) + a * std::sin(angle);
    }
  }
  return out;
}

std::vector<double> expected_context(const float_qkv& x, bool first_only) {
  const attention_case& c = x.c;
  const std::size_t d = c.hidden();
  const std::vector<double> q = turned(c, x.q), k = turned(c, x.k);
  std::vector<double> context;
  for (const std::size_t t : c.query_tokens(first_only)) {
    const std::size_t s = c.sentence_of(t);
    for (std::size_t head = 0; head < c.heads; ++head) {
      const std::size_t first = head * c.width;
      std::vector<double> p(c.length(s));
      double sum = 0;
      for (std::size_t j = 0; j < p.size(); ++j) {
        double score = 0;
        for (std::size_t i = first; i < first + c.width; ++i) {
          score += q[t * d + i] * k[(c.begin(s) + j) * d + i];
        }
        score /= std::sqrt(static_cast<double>(c.width));
        const auto distance =
            static_cast<std::ptrdiff_t>(c.begin(s) + j) - static_cast<std::ptrdiff_t>(t);
        if (!x.bias.empty())
          score += static_cast<double>(x.bias[bucket_by_logarithm(distance) * c.heads + head]);
        const bool near =
            c.window == 0 || std::abs(distance) <= static_cast<std::ptrdiff_t>(c.window);
        p[j] = near ? std::exp(score) : 0.0;
        sum += p[j];
      }
      for (std::size_t i = first; i < first + c.width; ++i) {
        double value = 0;
        for (std::size_t j = 0; j < p.size(); ++j) {
          value += p[j] / sum * static_cast<double>(x.v[(c.begin(s) + j) * d + i]);
        }
        context.push_back(value);
      }
    }
  }
  return context;
}

template <class Arch, class Executor>
std::vector<float> actual_context(const float_qkv& x, bool first_only, Executor& executor) {
  using layer = lowbit::softmax_attention_layer<lowbit::policy::fp32, Arch>;
  const std::size_t d = x.c.hidden();
  const std::size_t stride = lowbit::float_stride(d);
  const auto tokens = x.c.query_tokens(first_only);
  const auto rows = [&](const std::vector<float>& source, std::size_t n, const auto& token_of) {
    std::vector<float> strided(n == 0 ? 0 : (n - 1) * stride + d, -777.0F);
    for (std::size_t r = 0; r < n; ++r) {
      std::memcpy(strided.data() + r * stride, source.data() + token_of(r) * d, d * sizeof(float));
    }
    return strided;
  };
  const auto same = [](std::size_t r) { return r; };
  const std::size_t all = x.c.tokens();
  const guarded_copy q(rows(x.q, tokens.size(), [&](std::size_t r) { return tokens[r]; }));
  const guarded_copy k(rows(x.k, all, same));
  const guarded_copy v(rows(x.v, all, same));
  const canary_matrix<float> out(tokens.size(), d, stride + 1);
  const auto view = [&](const auto& memory, std::size_t n) {
    return lowbit::matrix_view<float>{memory.data(), n, d, stride};
  };
  tensor_store tensors;
  if (!x.bias.empty()) {
    tensors.add("bert.encoder.relative_attention_bias.weight",
                {lowbit::relative_buckets, x.c.heads}, x.bias);
  }
  run_attention<layer>(x.c, tensors, view(q, tokens.size()), view(k, all), view(v, all), first_only,
                       out.view(), nullptr, executor);
  CHECK(out.damage() == "");
  std::vector<float> context;
  for (std::size_t r = 0; r < tokens.size(); ++r) {
    context.insert(context.end(), out.view().row(r), out.view().row(r) + d);
  }
  return context;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("softmax attention is close to loops in double, the same bits everywhere",
                        "[attention]", compiled_archs) {
  need_arch<TestType>();
  random_source random(220);
  CAPTURE(random.seed());
  lowbit::serial executor;
  two_threads pair;
  for (const std::size_t width : {1U, 15U, 26U, 32U, 64U, 80U, 128U}) {
    for (const auto& lengths : sentence_batches()) {
      attention_case batch(2, width, lengths);
      batch.relative_bias = width == 26;
      batch.window = width == 32 ? 3 : width == 80 ? 70 : 0;
      const float_qkv x(batch, random);
      for (const bool first_only : {false, true}) {
        const auto actual = actual_context<TestType>(x, first_only, executor);
        CAPTURE(width, lengths, first_only);
        // Scores of up to about 30 carry 2e-6 into exp; values are below 1.
        CHECK(farther_than(2e-5, std::vector<double>(actual.begin(), actual.end()),
                           expected_context(x, first_only)) == "");
        CHECK(difference(actual, actual_context<lowbit::scalar>(x, first_only, executor)) == "");
        CHECK(difference(actual_context<TestType>(x, first_only, pair), actual) == "");
      }
    }
  }
}

TEMPLATE_LIST_TEST_CASE("one token attends to itself alone", "[attention]", compiled_archs) {
  need_arch<TestType>();
  random_source random(221);
  lowbit::serial executor;
  const float_qkv x(attention_case(2, 26, {1, 1}), random);
  CHECK(difference(actual_context<TestType>(x, false, executor), x.v) == "");
}

TEMPLATE_LIST_TEST_CASE("equal scores, however large, share the attention evenly", "[attention]",
                        compiled_archs) {
  need_arch<TestType>();
  random_source random(222);
  lowbit::serial executor;
  float_qkv x(attention_case(1, 16, {4}), random);
  for (float& v : x.q) v = 1e4F;
  for (float& v : x.k) v = -1e4F;
  for (std::size_t i = 0; i < x.v.size(); ++i) x.v[i] = static_cast<float>(i / 16);
  CHECK(difference(actual_context<TestType>(x, false, executor), std::vector(64, 1.5F)) == "");
}

TEST_CASE("a bias by distance has the row that the logarithm of the distance says", "[attention]") {
  for (std::ptrdiff_t distance = -300; distance <= 300; ++distance) {
    CAPTURE(distance);
    CHECK(lowbit::relative_bucket(distance) == bucket_by_logarithm(distance));
  }
}

TEST_CASE("frequencies of rotary positions are powers to the last bit or its neighbour",
          "[attention]") {
  for (const float theta : {1.0F, 2.0F, 100.0F, 5000.5F, 10000.0F, 160000.0F, 1e12F}) {
    for (const std::size_t d : {2U, 10U, 64U, 4096U}) {
      for (std::size_t j = 0; 2 * j < d; ++j) {
        const double power = -2.0 * static_cast<double>(j) / static_cast<double>(d);
        const auto exact = static_cast<float>(std::pow(static_cast<double>(theta), power));
        const float found = lowbit::detail::rotary_frequency(theta, j, d);
        CAPTURE(theta, d, j, exact, found);
        CHECK(std::nextafter(exact, 0.0F) <= found);
        CHECK(found <= std::nextafter(exact, 2.0F));
        if (j == 0) CHECK(found == 1.0F);
      }
    }
  }
}

TEMPLATE_LIST_TEST_CASE("sine and cosine are close to libm, the same bits everywhere",
                        "[attention]", compiled_archs) {
  need_arch<TestType>();
  double largest = 0;
  std::size_t different = 0;
  for (std::size_t i = 0; i < 100000; ++i) {
    const double x = i < 50000 ? static_cast<double>(i) * 1e-3 : static_cast<double>(i) * 10.4857;
    const auto angle = static_cast<float>(x);
    const auto both = [&]<class Arch>(std::type_identity<Arch>) {
      const auto found = lowbit::sine_cosine(lowbit::f32x16<Arch>::broadcast(angle));
      return std::pair{to_array(found.sine)[0], to_array(found.cosine)[0]};
    };
    const auto [sine, cosine] = both(std::type_identity<TestType>{});
    largest = std::fmax(
        largest, std::fabs(static_cast<double>(sine) - std::sin(static_cast<double>(angle))));
    largest = std::fmax(
        largest, std::fabs(static_cast<double>(cosine) - std::cos(static_cast<double>(angle))));
    if (both(std::type_identity<lowbit::scalar>{}) != std::pair{sine, cosine}) ++different;
  }
  CHECK(largest < 2e-7);
  CHECK(different == 0);
}
