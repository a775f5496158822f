// SPDX-License-Identifier: Apache-2.0
// Bi-Attention against loops over unpacked values: s = q k^T, a = bool(s), c = a v, sign(c) under
// both rules for zero.
#include "lowbit/nn/bi_attention.hpp"

#include <catch2/catch_test_macros.hpp>

#include "../support/archs.hpp"
#include "../support/two_threads.hpp"
#include "attention_case.hpp"

namespace {

using namespace lowbit_test;
using values = std::vector<std::int8_t>;
using lowbit::policy::bibert;
using lowbit::policy::bibert_plus_one;

struct qkv {
  values q, k, v;
};
qkv random_qkv(const attention_case& c, random_source& random) {
  const std::size_t n = c.tokens() * c.hidden();
  return {random.signs(n), random.signs(n), random.signs(n)};
}

/// sign(c) of every asking token, (queries, D).
values expected_context(const attention_case& c, const qkv& x, bool first_only, bool keep_zeros) {
  values context;
  const std::size_t d = c.hidden();
  for (const std::size_t t : c.query_tokens(first_only)) {
    const std::size_t s = c.sentence_of(t);
    for (std::size_t head = 0; head < c.heads; ++head) {
      std::vector<int> sums(c.width);
      for (std::size_t j = c.begin(s); j < c.begin(s) + c.length(s); ++j) {
        int score = 0;
        for (std::size_t i = head * c.width; i < (head + 1) * c.width; ++i) {
          score += x.q[t * d + i] * x.k[j * d + i];
        }
        if (keep_zeros ? score > 0 : score >= 0) {
          for (std::size_t i = 0; i < c.width; ++i) sums[i] += x.v[j * d + head * c.width + i];
        }
      }
      for (const int sum : sums) {
        const int sign = (sum > 0 ? 1 : 0) - (sum < 0 ? 1 : 0);
        context.push_back(static_cast<std::int8_t>(sign == 0 && !keep_zeros ? 1 : sign));
      }
    }
  }
  return context;
}

template <class Policy, class Arch, class Executor>
values actual_context(const attention_case& c, const qkv& x, bool first_only, Executor& executor) {
  using layer = lowbit::bi_attention_layer<Policy, Arch>;
  const std::size_t d = c.hidden();
  values first_q;
  for (const std::size_t t : c.query_tokens(first_only)) {
    first_q.insert(first_q.end(), x.q.begin() + static_cast<long>(t * d),
                   x.q.begin() + static_cast<long>((t + 1) * d));
  }
  const std::size_t rows = first_q.size() / d;
  const sign_rows q(first_q, rows, d);
  const sign_rows k(x.k, c.tokens(), d);
  const sign_rows v(x.v, c.tokens(), d);
  const std::size_t words = lowbit::words_for(d);
  const canary_matrix<typename layer::context> out(rows, words, words + 1);
  const guarded<std::int32_t> counts(rows);
  run_attention<layer>(c, {}, q.view, k.view, v.view, first_only, out.view(), counts.data(),
                       executor);
  CHECK(out.damage() == "");
  values context;
  bool counts_right = true;
  bool pad_clear = true;
  for (std::size_t r = 0; r < rows; ++r) {
    std::int32_t nonzeros = 0;
    for (std::size_t i = 0; i < words * 64; ++i) {
      if constexpr (layer::keeps_zeros) {
        const std::int8_t value = trit_at(out.view().row(r), i);
        nonzeros += value != 0 ? 1 : 0;
        if (i < d) context.push_back(value);
        pad_clear = pad_clear && (i < d || value == 0);
      } else {
        if (i < d) context.push_back(sign_at(out.view().row(r), i));
        pad_clear = pad_clear && (i < d || !bit_at(out.view().row(r), i));
      }
    }
    if (layer::keeps_zeros) counts_right = counts_right && counts[r] == nonzeros;
  }
  CHECK(counts_right);
  CHECK(pad_clear);
  return context;
}

template <class Policy, class Arch>
void check_policy(const attention_case& c, const qkv& x) {
  constexpr bool keep_zeros = lowbit::bi_attention_layer<Policy, Arch>::keeps_zeros;
  lowbit::serial executor;
  two_threads pair;
  for (const bool first_only : {false, true}) {
    const values expected = expected_context(c, x, first_only, keep_zeros);
    CAPTURE(c.width, c.sentences(), c.tokens(), first_only, keep_zeros);
    CHECK(difference(actual_context<Policy, Arch>(c, x, first_only, executor), expected) == "");
    CHECK(difference(actual_context<Policy, Arch>(c, x, first_only, pair), expected) == "");
  }
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("bi-attention equals loops over unpacked values", "[attention]",
                        compiled_archs) {
  need_arch<TestType>();
  random_source random(200);
  CAPTURE(random.seed());
  for (const std::size_t width : {1U, 15U, 26U, 32U, 64U, 80U, 128U}) {
    for (const auto& lengths : sentence_batches()) {
      const attention_case c(3, width, lengths);
      const qkv x = random_qkv(c, random);
      check_policy<bibert, TestType>(c, x);
      check_policy<bibert_plus_one, TestType>(c, x);
    }
  }
}

TEMPLATE_LIST_TEST_CASE("a score of exactly 0 is off under the torch rule and on under plus-one",
                        "[attention]", compiled_archs) {
  need_arch<TestType>();
  const attention_case c(1, 2, {1});
  const qkv x{{1, 1}, {1, -1}, {-1, -1}};  // q.k = 0
  lowbit::serial executor;
  CHECK(actual_context<bibert, TestType>(c, x, false, executor) == values{0, 0});
  CHECK(actual_context<bibert_plus_one, TestType>(c, x, false, executor) == values{-1, -1});
}

TEMPLATE_LIST_TEST_CASE("a context of exactly 0 stays 0 under the torch rule and is +1 else",
                        "[attention]", compiled_archs) {
  need_arch<TestType>();
  const attention_case c(1, 1, {2});
  const qkv x{{1, 1}, {1, 1}, {1, -1}};  // both tokens on, values cancel
  lowbit::serial executor;
  CHECK(actual_context<bibert, TestType>(c, x, false, executor) == values{0, 0});
  CHECK(actual_context<bibert_plus_one, TestType>(c, x, false, executor) == values{1, 1});
}

TEMPLATE_LIST_TEST_CASE("an attention row that is off everywhere has context 0", "[attention]",
                        compiled_archs) {
  need_arch<TestType>();
  const attention_case c(2, 15, {65});
  random_source random(201);
  qkv x = random_qkv(c, random);
  for (std::int8_t& v : x.q) v = 1;
  for (std::int8_t& v : x.k) v = -1;
  lowbit::serial executor;
  const std::size_t n = c.tokens() * c.hidden();
  CHECK(actual_context<bibert, TestType>(c, x, false, executor) == values(n, 0));
  CHECK(actual_context<bibert_plus_one, TestType>(c, x, false, executor) == values(n, 1));
}

TEST_CASE("one flipped key or value bit is caught", "[attention][mutant]") {
  const attention_case c(1, 15, {9});
  random_source random(202);
  const qkv x = random_qkv(c, random);
  const values expected = expected_context(c, x, false, true);
  lowbit::serial executor;
  for (values qkv::*part : {&qkv::k, &qkv::v}) {
    std::size_t caught = 0;
    for (std::size_t i = 0; i < x.k.size(); ++i) {
      qkv flipped = x;
      (flipped.*part)[i] = static_cast<std::int8_t>(-(flipped.*part)[i]);
      caught +=
          difference(actual_context<bibert, lowbit::scalar>(c, flipped, false, executor), expected)
                  .empty()
              ? 0U
              : 1U;
    }
    CHECK(caught > x.k.size() / 2);  // a bit of a token that nobody attends to changes nothing
  }
}
