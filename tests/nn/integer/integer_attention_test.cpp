// SPDX-License-Identifier: Apache-2.0
// Integer attention against loops of plain integers, to the last bit: every product is exact and
// the softmax of a row has its own test.
#include "lowbit/nn/integer/attention.hpp"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "../../support/archs.hpp"
#include "../../support/two_threads.hpp"
#include "../attention_case.hpp"

namespace {

using namespace lowbit_test;
using lowbit::dyadic;

constexpr lowbit::integer_attention_layer<lowbit::scalar>::scales test_scales{0.02, 0.03, 0.04,
                                                                              0.02};

struct code_qkv {
  attention_case c;
  std::vector<std::int8_t> q, k, v;  // (T, D)
  code_qkv(const attention_case& batch, random_source& random) : c(batch) {
    for (auto* m : {&q, &k, &v}) {
      for (std::size_t i = 0; i < c.tokens() * c.hidden(); ++i)
        m->push_back(static_cast<std::int8_t>(static_cast<int>(random.below(255)) - 127));
    }
  }
};

std::vector<std::int8_t> expected_context(const code_qkv& x, bool first_only) {
  const attention_case& c = x.c;
  const std::size_t d = c.hidden();
  dyadic to_exp, to_context;
  const auto root = static_cast<double>(std::sqrt(static_cast<float>(c.width)));
  const double score = test_scales.query * test_scales.key / root;
  REQUIRE(dyadic::from(score / lowbit::integer_exp::grid, "scores", to_exp).ok());
  REQUIRE(dyadic::from(test_scales.value / 256 / test_scales.context, "context", to_context).ok());
  std::vector<std::int8_t> context;
  for (const std::size_t t : c.query_tokens(first_only)) {
    const std::size_t s = c.sentence_of(t);
    const std::size_t length = c.length(s);
    for (std::size_t head = 0; head < c.heads; ++head) {
      const std::size_t first = head * c.width;
      std::vector<std::int32_t> scores(lowbit::round_up(length, 16));
      std::vector<std::int8_t> codes(scores.size());
      for (std::size_t j = 0; j < length; ++j) {
        for (std::size_t i = first; i < first + c.width; ++i)
          scores[j] += x.q[t * d + i] * x.k[(c.begin(s) + j) * d + i];
      }
      static_cast<void>(lowbit::integer_softmax::run<lowbit::scalar>(scores.data(), length, to_exp,
                                                                     codes.data()));
      for (std::size_t i = first; i < first + c.width; ++i) {
        std::int32_t sum = 0;
        for (std::size_t j = 0; j < length; ++j)
          sum += (codes[j] + 128) * x.v[(c.begin(s) + j) * d + i];
        context.push_back(static_cast<std::int8_t>(std::clamp(to_context.apply(sum), -127, 127)));
      }
    }
  }
  return context;
}

template <class Arch, class Executor>
std::vector<std::int8_t> actual_context(const code_qkv& x, bool first_only, Executor& executor) {
  const std::size_t d = x.c.hidden();
  const std::size_t stride = lowbit::round_up(d, 16);
  const auto tokens = x.c.query_tokens(first_only);
  const auto rows = [&](const std::vector<std::int8_t>& from, std::size_t n, auto token_of) {
    std::vector<std::int8_t> strided(n * stride, 99);
    for (std::size_t r = 0; r < n; ++r)
      std::copy_n(from.begin() + static_cast<long>(token_of(r) * d), d,
                  strided.begin() + static_cast<long>(r * stride));
    return strided;
  };
  const auto same = [](std::size_t r) { return r; };
  const guarded_copy q(rows(x.q, tokens.size(), [&](std::size_t r) { return tokens[r]; }));
  const guarded_copy k(rows(x.k, x.c.tokens(), same));
  const guarded_copy v(rows(x.v, x.c.tokens(), same));
  const auto view = [&](const auto& memory, std::size_t n) {
    return lowbit::matrix_view<const std::int8_t>{memory.data(), n, d, stride};
  };
  using layer = lowbit::integer_attention_layer<Arch>;
  layer attention;
  const typename layer::scales s{test_scales.query, test_scales.key, test_scales.value,
                                 test_scales.context};
  REQUIRE(attention.load(lowbit::tensor_name("layer"), x.c.shape(), s).ok());
  typename layer::template workspace<false> w;
  lowbit::arena plan;
  w.plan(plan, x.c.shape(), x.c.limits(executor.workers()));
  const guarded<std::byte> memory(plan.used(), 0xFF);
  lowbit::arena space(memory.data(), memory.size());
  w.plan(space, x.c.shape(), x.c.limits(executor.workers()));
  const canary_matrix<std::int8_t> out(tokens.size(), d, stride + 16);
  lowbit::no_observer observer;
  attention.prepare(w, view(k, x.c.tokens()), view(v, x.c.tokens()), x.c.batch(), executor);
  attention.run(w, view(q, tokens.size()), {x.c.batch(), first_only}, out.view(), executor,
                observer);
  CHECK(out.damage() == "");
  std::vector<std::int8_t> context;
  for (std::size_t r = 0; r < tokens.size(); ++r)
    context.insert(context.end(), out.view().row(r), out.view().row(r) + d);
  return context;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("integer attention equals loops of integers with every executor",
                        "[attention][integer]", compiled_archs) {
  need_arch<TestType>();
  random_source random(650);
  CAPTURE(random.seed());
  lowbit::serial executor;
  two_threads pair;
  for (const std::size_t width : {1U, 15U, 26U, 64U}) {
    for (const auto& lengths : sentence_batches()) {
      const code_qkv x(attention_case(3, width, lengths), random);
      for (const bool first_only : {false, true}) {
        CAPTURE(width, lengths, first_only);
        const auto expected = expected_context(x, first_only);
        CHECK(difference(actual_context<TestType>(x, first_only, executor), expected) == "");
        CHECK(difference(actual_context<TestType>(x, first_only, pair), expected) == "");
      }
    }
  }
}

TEMPLATE_LIST_TEST_CASE("integer attention of one token is its value at another scale",
                        "[attention][integer]", compiled_archs) {
  need_arch<TestType>();
  random_source random(651);
  lowbit::serial executor;
  code_qkv x(attention_case(1, 16, {1}), random);
  for (std::size_t i = 0; i < 16; ++i) x.v[i] = static_cast<std::int8_t>(i * 8);
  const auto context = actual_context<TestType>(x, false, executor);
  for (std::size_t i = 0; i < 16; ++i)  // 255/256 of twice the code, and no more than 127
    CHECK(context[i] == std::min<int>(127, (static_cast<int>(i) * 16 * 255 + 128) / 256));
}
