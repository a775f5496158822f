// SPDX-License-Identifier: Apache-2.0
// Elastic attention against loops in double: p = softmax(a_q a_k n / sqrt d), bit = p / a_p > 1/2,
// c = a_p a_v (bits . v), sign(c + shift). An attention bit or a sign that is nearer to its
// threshold than float can tell is left out.
#include "lowbit/nn/elastic_attention.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>
#include <utility>

#include "../support/archs.hpp"
#include "../support/two_threads.hpp"
#include "attention_case.hpp"

namespace {

using namespace lowbit_test;
using values = std::vector<std::int8_t>;

struct elastic_case {
  attention_case c;
  float query, key, value, probability;
  std::vector<float> shift;
  values q, k, v;
  tensor_store tensors;

  elastic_case(const attention_case& batch, float a_p, random_source& random)
      : c(batch), query(0.9F), key(1.1F), value(0.7F), probability(a_p) {
    const std::size_t n = c.tokens() * c.hidden();
    q = random.signs(n);
    k = random.signs(n);
    v = random.signs(n);
    shift = random.floats(c.hidden(), 0.0F, 0.3F);
    tensors.add("bert.encoder.layer.0.attention.self.query.output.scale", {}, {query});
    tensors.add("bert.encoder.layer.0.attention.self.key.output.scale", {}, {key});
    tensors.add("bert.encoder.layer.0.attention.self.value.output.scale", {1}, {value});
    tensors.add("bert.encoder.layer.0.attention.self.probability.scale", {}, {probability});
    tensors.add("bert.encoder.layer.0.attention.output.dense.input.shift", {c.hidden()}, shift);
  }
};

constexpr std::int8_t undecided = 0;

/// sign(c + shift) of every asking token; `undecided` where double and float may disagree.
values expected_context(const elastic_case& e, bool first_only) {
  const attention_case& c = e.c;
  const std::size_t d = c.hidden();
  const double scale = static_cast<double>(e.query) * static_cast<double>(e.key) /
                       std::sqrt(static_cast<double>(c.width));
  const double a_p = static_cast<double>(e.probability);
  values context;
  for (const std::size_t t : c.query_tokens(first_only)) {
    const std::size_t s = c.sentence_of(t);
    const std::size_t length = c.length(s);
    for (std::size_t head = 0; head < c.heads; ++head) {
      const std::size_t first = head * c.width;
      std::vector<double> p(length);
      double sum = 0;
      for (std::size_t j = 0; j < length; ++j) {
        int n = 0;
        for (std::size_t i = first; i < first + c.width; ++i) {
          n += e.q[t * d + i] * e.k[(c.begin(s) + j) * d + i];
        }
        p[j] = std::exp(scale * n);
        sum += p[j];
      }
      bool row_decided = true;
      std::vector<int> sums(c.width);
      for (std::size_t j = 0; j < length; ++j) {
        const double x = p[j] / sum / a_p;
        row_decided = row_decided && std::abs(x - 0.5) > 1e-5;
        if (x > 0.5) {
          for (std::size_t i = 0; i < c.width; ++i) {
            sums[i] += e.v[(c.begin(s) + j) * d + first + i];
          }
        }
      }
      for (std::size_t i = 0; i < c.width; ++i) {
        const double y =
            a_p * static_cast<double>(e.value) * sums[i] + static_cast<double>(e.shift[first + i]);
        const bool decided = row_decided && std::abs(y) > 1e-6;
        context.push_back(!decided ? undecided : y < 0 ? std::int8_t{-1} : std::int8_t{1});
      }
    }
  }
  return context;
}

template <class Arch, class Executor>
values actual_context(const elastic_case& e, bool first_only, Executor& executor) {
  using layer = lowbit::elastic_attention_layer<lowbit::policy::bit, Arch>;
  const std::size_t d = e.c.hidden();
  values asking;
  for (const std::size_t t : e.c.query_tokens(first_only)) {
    asking.insert(asking.end(), e.q.begin() + static_cast<long>(t * d),
                  e.q.begin() + static_cast<long>((t + 1) * d));
  }
  const std::size_t rows = asking.size() / d;
  const sign_rows q(asking, rows, d);
  const sign_rows k(e.k, e.c.tokens(), d);
  const sign_rows v(e.v, e.c.tokens(), d);
  const std::size_t words = lowbit::words_for(d);
  const canary_matrix<word> out(rows, words, words + 1);
  run_attention<layer>(e.c, e.tensors, q.view, k.view, v.view, first_only, out.view(), nullptr,
                       executor);
  CHECK(out.damage() == "");
  values context;
  bool pad_clear = true;
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t i = 0; i < d; ++i) context.push_back(sign_at(out.view().row(r), i));
    for (std::size_t i = d; i < words * 64; ++i) {
      pad_clear = pad_clear && !bit_at(out.view().row(r), i);
    }
  }
  CHECK(pad_clear);
  return context;
}

/// The first decided sign that differs.
std::string decided_difference(const values& actual, const values& expected) {
  values compared = actual;
  for (std::size_t i = 0; i < expected.size() && i < compared.size(); ++i) {
    if (expected[i] == undecided) compared[i] = undecided;
  }
  return difference(compared, expected);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("elastic attention equals loops over unpacked values", "[attention]",
                        compiled_archs) {
  need_arch<TestType>();
  random_source random(210);
  CAPTURE(random.seed());
  lowbit::serial executor;
  two_threads pair;
  std::size_t left_out = 0;
  std::size_t all = 0;
  std::size_t negative = 0;
  for (const std::size_t width : {1U, 15U, 26U, 32U, 64U, 80U, 128U}) {
    for (const auto& lengths : sentence_batches()) {
      const attention_case batch(3, width, lengths);
      const elastic_case e(batch, 2.0F / static_cast<float>(batch.limits(1).longest + 1), random);
      for (const bool first_only : {false, true}) {
        const values expected = expected_context(e, first_only);
        const values actual = actual_context<TestType>(e, first_only, executor);
        CAPTURE(width, lengths, first_only);
        CHECK(decided_difference(actual, expected) == "");
        CHECK(difference(actual, actual_context<lowbit::scalar>(e, first_only, executor)) == "");
        CHECK(difference(actual_context<TestType>(e, first_only, pair), actual) == "");
        all += expected.size();
        for (const std::int8_t v : expected) {
          left_out += v == undecided ? 1U : 0U;
          negative += v < 0 ? 1U : 0U;
        }
      }
    }
  }
  CHECK(left_out * 50 < all);  // the comparison is about nearly every element
  CHECK(negative * 4 > all);
}

TEMPLATE_LIST_TEST_CASE("with a large probability scale no token gets attention", "[attention]",
                        compiled_archs) {
  need_arch<TestType>();
  random_source random(211);
  lowbit::serial executor;
  const elastic_case e(attention_case(2, 26, {65}), 2.5F, random);  // p / 2.5 <= 0.4
  const values context = actual_context<TestType>(e, false, executor);
  for (std::size_t i = 0; i < context.size(); ++i) {
    REQUIRE((context[i] < 0) == (e.shift[i % 52] < 0.0F));
  }
}

TEMPLATE_LIST_TEST_CASE("a probability of exactly half its scale gets no attention", "[attention]",
                        compiled_archs) {
  need_arch<TestType>();
  random_source random(212);
  lowbit::serial executor;
  elastic_case e(attention_case(1, 1, {1}), 2.0F, random);  // p = 1: 1 / 2 > 1 / 2 is false
  e.v = {-1};
  std::memcpy(e.tensors.bytes("bert.encoder.layer.0.attention.output.dense.input.shift").data(),
              "\0\0\0\0", 4);
  CHECK(actual_context<TestType>(e, false, executor) == values{1});
  elastic_case on(attention_case(1, 1, {1}), 1.999F, random);
  on.v = {-1};
  std::memcpy(on.tensors.bytes("bert.encoder.layer.0.attention.output.dense.input.shift").data(),
              "\0\0\0\0", 4);
  CHECK(actual_context<TestType>(on, false, executor) == values{-1});
}

TEST_CASE("elastic attention names the scale that is missing or not above 0", "[attention]") {
  random_source random(213);
  const attention_case batch(1, 16, {1});
  const guarded<std::byte> memory(4096);
  for (const char* part : {"query.output", "key.output", "value.output", "probability"}) {
    const std::string name = std::string("bert.encoder.layer.0.attention.self.") + part + ".scale";
    const auto load = [&](const tensor_store& tensors) {
      lowbit::elastic_attention_layer<lowbit::policy::bit, lowbit::scalar> layer;
      lowbit::arena space(memory.data(), memory.size());
      return layer.load(space, tensors.weights(), 0, batch.shape());
    };
    elastic_case missing(batch, 0.1F, random);
    missing.tensors.remove(name);
    CHECK(load(missing.tensors).message() == "tensor " + name + " is missing");
  }
  const std::string not_finite = " element 0 is not finite";
  const std::pair<float, std::string> refused[] = {
      {0.0F, " is not above 0"},
      {-1.0F, " is not above 0"},
      {std::nanf(""), not_finite},
      {std::numeric_limits<float>::infinity(), not_finite},
  };
  for (const auto& [bad, why] : refused) {
    elastic_case e(batch, bad, random);
    lowbit::elastic_attention_layer<lowbit::policy::bit, lowbit::scalar> layer;
    lowbit::arena space(memory.data(), memory.size());
    const auto s = layer.load(space, e.tensors.weights(), 0, batch.shape());
    CHECK(s.message() == "tensor bert.encoder.layer.0.attention.self.probability.scale" + why);
  }
}
