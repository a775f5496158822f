// SPDX-License-Identifier: Apache-2.0
// Same bits everywhere: logits do not depend on the arch, the executor, the neighbours in a batch,
// stale memory or on whether somebody looks. The snapshot pins them across compilers and builds.
#include "lowbit/model/classifier.hpp"

#include <catch2/catch_test_macros.hpp>
#include <numeric>

#include "../support/archs.hpp"
#include "../support/compare.hpp"
#include "../support/two_threads.hpp"
#include "random_model.hpp"

namespace {

/// With its own activation function, whatever the shape says.
struct fp32_relu : lowbit::policy::fp32 {
  using hidden_act = lowbit::relu;
};
struct fp32_silu : lowbit::policy::fp32 {
  using hidden_act = lowbit::silu;
};

using namespace lowbit_test;
using lowbit::policy::bibert;
using lowbit::policy::bibert_plus_one;
using lowbit::policy::bit;
using lowbit::policy::fp32;

constexpr lowbit::model_shape shape = ragged_shape();
constexpr std::size_t lengths[] = {7, 1, 66, 64, 2, 13};

std::vector<sentence> random_sentences(std::uint64_t seed) {
  random_source random(seed);
  std::vector<sentence> all;
  for (const std::size_t n : lengths) all.push_back(random_sentence(shape, n, random));
  return all;
}

/// Looks at everything, so that the last layer runs in full and all tokens have scores.
struct counting_observer {
  static constexpr bool enabled = true;
  std::size_t layer = 0;
  std::size_t values = 0;
  bool finite = true;
  template <class Rows>
  void see(const Rows& rows) {
    for (std::size_t r = 0; r < rows.rows; ++r) {
      for (std::size_t c = 0; c < rows.cols; ++c) {
        finite = finite && std::isfinite(rows(r, c));
        ++values;
      }
    }
  }
  template <class Rows>
  void hidden(std::size_t, const Rows& rows) {
    see(rows);
  }
  template <class Rows>
  void scores(const lowbit::query_span&, std::size_t, const Rows& rows) {
    see(rows);
  }
  template <class Rows>
  void context(const lowbit::query_span&, std::size_t, const Rows& rows) {
    see(rows);
  }
  template <class Rows>
  void pooled(const Rows& rows) {
    see(rows);
  }
};

template <class Policy, class Arch>
void check_same_bits(std::uint64_t seed) {
  const tensor_store tensors = random_model<Policy>(shape, seed);
  const std::vector<sentence> sentences = random_sentences(seed + 1);
  const loaded_model<Policy, lowbit::scalar> reference(tensors, shape);
  const loaded_model<Policy, Arch> tested(tensors, shape);
  two_threads serial{1};
  two_threads pair;
  std::vector<std::size_t> order(sentences.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const packed_batch batch(sentences, order);
  const std::vector<float> expected = run_model(reference.model, batch.input(), serial);
  INFO(Policy::name << " seed " << seed);
  for (const float y : expected) CHECK(std::isfinite(y));
  CHECK(difference(run_model(tested.model, batch.input(), serial), expected) == "");
  CHECK(difference(run_model(tested.model, batch.input(), pair), expected) == "");

  counting_observer observer;
  CHECK(difference(run_model(tested.model, batch.input(), serial, observer), expected) == "");
  const std::size_t tokens = batch.ids.size();
  std::size_t pairs = 0;
  for (const std::size_t n : lengths) pairs += n * n;
  CHECK(observer.finite);
  CHECK(observer.layer == 1);
  CHECK(observer.values == 3 * tokens * 45 + 2 * 3 * pairs + 2 * tokens * 45 + 6 * 45);

  const auto logits_of = [&](std::size_t s) {
    return std::vector<float>(expected.begin() + static_cast<long>(s * shape.labels),
                              expected.begin() + static_cast<long>((s + 1) * shape.labels));
  };
  for (std::size_t s = 0; s < sentences.size(); ++s) {  // alone
    const packed_batch alone(sentences, std::span(&s, 1));
    CAPTURE(s);
    CHECK(difference(run_model(tested.model, alone.input(), serial), logits_of(s)) == "");
  }
  random_source random(seed + 2);
  for (int round = 0; round < 4; ++round) {  // in any order, also twice in one batch
    for (std::size_t i = order.size() - 1; i > 0; --i) std::swap(order[i], order[random.below(i)]);
    order.back() = order.front();
    const packed_batch shuffled(sentences, order);
    std::vector<float> wanted;
    for (const std::size_t s : order) {
      const std::vector<float> own = logits_of(s);
      wanted.insert(wanted.end(), own.begin(), own.end());
    }
    CHECK(difference(run_model(tested.model, shuffled.input(), serial), wanted) == "");
    CHECK(difference(run_model(tested.model, shuffled.input(), pair), wanted) == "");
    std::iota(order.begin(), order.end(), std::size_t{0});
  }
}

/// FNV-1a over the bits of the logits.
template <class Policy>
std::uint64_t logits_hash(const lowbit::model_shape& of = shape) {
  const tensor_store tensors = random_model<Policy>(of, 900);
  const std::vector<sentence> sentences = random_sentences(901);
  const loaded_model<Policy, lowbit::native> loaded(tensors, of);
  const std::size_t order[] = {0, 1, 2, 3, 4, 5};
  const packed_batch batch(sentences, order);
  two_threads serial{1};
  std::uint64_t hash = 14695981039346656037ULL;
  for (const float y : run_model(loaded.model, batch.input(), serial)) {
    hash = (hash ^ std::bit_cast<std::uint32_t>(y)) * 1099511628211ULL;
  }
  return hash;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("logits are the same bits on every arch, executor and batch", "[model]",
                        own_arch) {
  need_arch<TestType>();
  SECTION("fp32") { check_same_bits<fp32, TestType>(300); }
  SECTION("fp32_relu") { check_same_bits<fp32_relu, TestType>(310); }
  SECTION("bibert") { check_same_bits<bibert, TestType>(320); }
  SECTION("bibert_plus_one") { check_same_bits<bibert_plus_one, TestType>(330); }
  SECTION("bit") { check_same_bits<bit, TestType>(340); }
}

TEST_CASE("snapshot: every build of this library computes these logits", "[model][snapshot]") {
  need_arch<lowbit::native>();
  // Made by this library. They change only when the canonical arithmetic does, on purpose.
  CHECK(logits_hash<fp32>() == 0x2be22a63cf2f1351ULL);
  CHECK(logits_hash<fp32_relu>() == 0x7456cc778e705b88ULL);
  lowbit::model_shape rectified = shape;
  rectified.hidden_act = lowbit::activation_function::relu;
  CHECK(logits_hash<fp32>(rectified) == 0x7456cc778e705b88ULL);
  CHECK(logits_hash<bibert>() == 0xa311ba0d0b68cf71ULL);
  CHECK(logits_hash<bibert_plus_one>() == 0x23166a890671b811ULL);
  CHECK(logits_hash<bit>() == 0x2cbf0026fffbc316ULL);
}

TEST_CASE("an activation function has the same bits in a product as in a pass of its own",
          "[model]") {
  lowbit::model_shape named = shape;
  named.hidden_act = lowbit::activation_function::silu;
  CHECK(logits_hash<fp32>(named) == logits_hash<fp32_silu>());
  CHECK(logits_hash<fp32>(named) != logits_hash<fp32>());
}

TEST_CASE("null token types are 0 and null positions count from 0 in each sentence", "[model]") {
  const tensor_store tensors = random_model<bibert>(shape, 350);
  const loaded_model<bibert, lowbit::scalar> loaded(tensors, shape);
  two_threads serial{1};
  std::vector<sentence> sentences = random_sentences(351);
  for (sentence& s : sentences) s.types.assign(s.types.size(), 0);
  const std::size_t order[] = {0, 5};
  const packed_batch batch(sentences, order);
  std::vector<std::int32_t> positions;
  for (const std::size_t s : order) {
    for (std::size_t t = 0; t < lengths[s]; ++t) positions.push_back(static_cast<int>(t));
  }
  const auto expected = run_model(loaded.model, batch.input(), serial);
  lowbit::token_input in = batch.input();
  in.type_ids = nullptr;
  CHECK(difference(run_model(loaded.model, in, serial), expected) == "");
  in.positions = positions.data();
  CHECK(difference(run_model(loaded.model, in, serial), expected) == "");
  positions[3] = 60;
  CHECK(difference(run_model(loaded.model, in, serial), expected) != "");
}

TEST_CASE("tanh_relu clears what is negative in the pooled vector", "[model]") {
  lowbit::model_shape with_relu = shape;
  with_relu.pooler_act = lowbit::pooler_activation::tanh_relu;
  const tensor_store tensors = random_model<fp32>(shape, 360);
  const loaded_model<fp32, lowbit::scalar> plain(tensors, shape);
  const loaded_model<fp32, lowbit::scalar> rectified(tensors, with_relu);
  struct pooled_observer : counting_observer {
    std::vector<float> row;
    void pooled(const lowbit::matrix_view<const float>& rows) {
      row.assign(rows.data, rows.data + rows.cols);
    }
  } observer;
  two_threads serial{1};
  const auto sentences = random_sentences(361);
  const std::size_t first[] = {0};
  const packed_batch batch(sentences, first);
  const auto without = run_model(plain.model, batch.input(), serial, observer);
  const auto with = run_model(rectified.model, batch.input(), serial);
  for (std::size_t o = 0; o < shape.labels; ++o) {
    const lowbit::stored_tensor* w = tensors.weights().find("classifier.weight");
    double sum = static_cast<double>(tensors.weights().find("classifier.bias")->at(o));
    for (std::size_t c = 0; c < shape.hidden; ++c) {
      sum += static_cast<double>(observer.row[c] > 0 ? observer.row[c] : 0.0F) *
             static_cast<double>(w->at(o * shape.hidden + c));
    }
    CHECK(!(std::abs(static_cast<double>(with[o]) - sum) > 1e-5));
  }
  CHECK(difference(with, without) != "");
}
