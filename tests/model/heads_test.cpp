// SPDX-License-Identifier: Apache-2.0
// Every head but the sequence classifier, which has its own tests: against bare loops in double,
// the same bits on every arch, executor and batch, and what is wrong with an input or a model
// named.
#include "lowbit/model/heads.hpp"

#include <catch2/catch_test_macros.hpp>
#include <numeric>

#include "../support/archs.hpp"
#include "../support/compare.hpp"
#include "../support/two_threads.hpp"
#include "random_model.hpp"
#include "reference_heads.hpp"

namespace {

using namespace lowbit_test;
using lowbit::errc;
using lowbit::head_kind;
using lowbit::status;
using lowbit::policy::bibert;
using lowbit::policy::fp32;

constexpr double bound = 2e-5;
constexpr double least_margin = 2e-5;

lowbit::model_shape shape_of(head_kind head) {
  lowbit::model_shape s = ragged_shape();
  s.head = head;
  s.labels = head == head_kind::span ? 2 : 5;
  return s;
}

/// Sentences of different lengths, and the tokens that a masked language model is asked for: some
/// of every sentence, one of them twice, in no order.
struct head_case {
  std::vector<sentence> sentences;
  std::vector<std::vector<std::uint32_t>> asked;

  head_case(const lowbit::model_shape& shape, std::initializer_list<std::size_t> lengths,
            std::uint64_t seed) {
    random_source random(seed);
    for (const std::size_t n : lengths) {
      sentences.push_back(random_sentence(shape, n, random));
      asked.push_back({static_cast<std::uint32_t>(n - 1), 0});
      if (n > 2) asked.back().push_back(1);
      asked.back().push_back(0);
    }
  }
  [[nodiscard]] packed_batch batch(std::span<const std::size_t> order) const {
    return packed_batch(sentences, order);
  }
  [[nodiscard]] std::vector<std::uint32_t> rows(std::span<const std::size_t> order) const {
    std::vector<std::uint32_t> all;
    std::uint32_t begin = 0;
    for (const std::size_t s : order) {
      for (const std::uint32_t t : asked[s]) all.push_back(begin + t);
      begin += static_cast<std::uint32_t>(sentences[s].ids.size());
    }
    return all;
  }
};

template <class Model, class Executor>
std::vector<float> run_case(const Model& model, const head_case& c,
                            std::span<const std::size_t> order, Executor& executor) {
  const packed_batch batch = c.batch(order);
  const std::vector<std::uint32_t> asked = c.rows(order);
  lowbit::token_input in = batch.input();
  in.masked = {asked.data(), asked.size()};
  return run_model(model, in, executor);
}

template <template <class, class> class Model, class Policy, class Arch>
void check_reference(head_kind head) {
  const lowbit::model_shape shape = shape_of(head);
  int compared = 0;
  for (std::uint64_t seed = 1200; seed < 1240 && compared < 2; ++seed) {
    const tensor_store tensors = random_model<Policy>(shape, seed);
    const head_case c(shape, {7, 1, 3}, seed + 1);
    reference_forward loops(tensors.weights(), shape);
    reals expected;
    for (std::size_t s = 0; s < c.sentences.size(); ++s) {
      std::vector<reals> hidden;
      if constexpr (std::is_same_v<Policy, fp32>) {
        hidden = loops.fp32_hidden(c.sentences[s].ids, c.sentences[s].types);
      } else {
        hidden = loops.bibert_hidden(c.sentences[s].ids, c.sentences[s].types, true);
      }
      const reals own = reference_head(loops, shape, hidden, c.asked[s]);
      expected.insert(expected.end(), own.begin(), own.end());
    }
    if (loops.margin < least_margin) continue;
    ++compared;
    const loaded_bert<Model<Policy, Arch>> loaded(tensors, shape);
    const std::size_t order[] = {0, 1, 2};
    two_threads serial{1};
    const std::vector<float> actual = run_case(loaded.model, c, order, serial);
    INFO(Policy::name << ' ' << name_of(head) << " seed " << seed << " margin " << loops.margin);
    CHECK(actual.size() > 20);
    CHECK(farther_than(bound, reals(actual.begin(), actual.end()), expected) == "");
  }
  INFO(Policy::name << ' ' << name_of(head));
  CHECK(compared == 2);
}

template <template <class, class> class Model, class Policy, class Arch>
void check_same_bits(head_kind head) {
  const lowbit::model_shape shape = shape_of(head);
  const tensor_store tensors = random_model<Policy>(shape, 1300);
  const loaded_bert<Model<Policy, lowbit::scalar>> reference(tensors, shape);
  const loaded_bert<Model<Policy, Arch>> tested(tensors, shape);
  const head_case c(shape, {7, 1, 66, 2, 13}, 1301);
  two_threads serial{1};
  two_threads pair;
  const std::size_t order[] = {0, 1, 2, 3, 4};
  INFO(Policy::name << ' ' << name_of(head));
  const std::vector<float> expected = run_case(reference.model, c, order, serial);
  for (const float y : expected) CHECK(std::isfinite(y));
  CHECK(difference(run_case(tested.model, c, order, serial), expected) == "");
  CHECK(difference(run_case(tested.model, c, order, pair), expected) == "");
  std::vector<float> alone;  // one by one
  for (const std::size_t s : order) {
    const std::vector<float> own = run_case(tested.model, c, std::span(&s, 1), serial);
    alone.insert(alone.end(), own.begin(), own.end());
  }
  CHECK(difference(alone, expected) == "");
}

template <class Policy, class Arch>
void check_all_heads() {
  using namespace lowbit;
  check_reference<token_classifier, Policy, Arch>(head_kind::token);
  check_reference<span_extractor, Policy, Arch>(head_kind::span);
  check_reference<masked_lm, Policy, Arch>(head_kind::masked_lm);
  check_reference<mean_embedder, Policy, Arch>(head_kind::mean_embedding);
  check_reference<cls_embedder, Policy, Arch>(head_kind::cls_embedding);
  check_same_bits<token_classifier, Policy, Arch>(head_kind::token);
  check_same_bits<span_extractor, Policy, Arch>(head_kind::span);
  check_same_bits<masked_lm, Policy, Arch>(head_kind::masked_lm);
  check_same_bits<mean_embedder, Policy, Arch>(head_kind::mean_embedding);
  check_same_bits<cls_embedder, Policy, Arch>(head_kind::cls_embedding);
}

template <class Model>
status load(const tensor_store& tensors, const lowbit::model_shape& shape) {
  const guarded<std::byte> memory(Model::model_bytes(tensors.weights(), shape));
  lowbit::arena space(memory.data(), memory.size());
  Model model;
  return model.load(space, tensors.weights(), shape);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("heads equal bare loops and have the same bits everywhere", "[model]",
                        compiled_archs) {
  need_arch<TestType>();
  SECTION("fp32") { check_all_heads<fp32, TestType>(); }
  SECTION("bibert") { check_all_heads<bibert, TestType>(); }
}

TEST_CASE("embeddings have length 1 and the pooling that was asked for", "[model]") {
  const lowbit::model_shape mean_shape = shape_of(head_kind::mean_embedding);
  const lowbit::model_shape cls_shape = shape_of(head_kind::cls_embedding);
  const tensor_store tensors = random_model<fp32>(mean_shape, 1400);
  const loaded_bert<lowbit::mean_embedder<fp32, lowbit::scalar>> mean(tensors, mean_shape);
  const loaded_bert<lowbit::cls_embedder<fp32, lowbit::scalar>> cls(tensors, cls_shape);
  const head_case c(mean_shape, {9, 1}, 1401);
  two_threads serial{1};
  const std::size_t long_one[] = {0};
  const std::size_t short_one[] = {1};
  const auto by_mean = run_case(mean.model, c, long_one, serial);
  const auto by_cls = run_case(cls.model, c, long_one, serial);
  double square = 0;
  for (const float v : by_mean) square += static_cast<double>(v) * static_cast<double>(v);
  CHECK(!(std::abs(square - 1.0) > 1e-6));
  CHECK_FALSE(farther_than(1e-2, by_mean, by_cls).empty());
  // Of one token both are the same.
  CHECK(farther_than(1e-7, run_case(mean.model, c, short_one, serial),
                     run_case(cls.model, c, short_one, serial)) == "");
}

TEST_CASE("a masked language model answers any number of asked rows, and none", "[model]") {
  const lowbit::model_shape shape = shape_of(head_kind::masked_lm);
  const tensor_store tensors = random_model<bibert>(shape, 1500);
  const loaded_bert<lowbit::masked_lm<bibert, lowbit::scalar>> loaded(tensors, shape);
  random_source random(1501);
  const std::vector<sentence> sentences{random_sentence(shape, 40, random)};
  const std::size_t order[] = {0};
  const packed_batch batch(sentences, order);
  two_threads serial{1};
  lowbit::token_input in = batch.input();
  CHECK(run_model(loaded.model, in, serial).empty());
  std::vector<std::uint32_t> asked;
  for (std::uint32_t i = 0; i < 67; ++i) asked.push_back(i * 7 % 40);  // more than two blocks
  in.masked = {asked.data(), asked.size()};
  const std::vector<float> all = run_model(loaded.model, in, serial);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    in.masked = {asked.data() + i, 1};
    const std::vector<float> own(all.begin() + static_cast<long>(i * shape.vocabulary),
                                 all.begin() + static_cast<long>((i + 1) * shape.vocabulary));
    CHECK(difference(run_model(loaded.model, in, serial), own) == "");
  }
  asked[5] = 40;
  in.masked = {asked.data(), asked.size()};
  const guarded<std::byte> memory(1 << 20);
  const canary_matrix<float> out(67, shape.vocabulary, shape.vocabulary);
  const status s = loaded.model.run(in, memory.data(), memory.size(), out.view(), serial);
  CHECK(s.code() == errc::invalid_argument);
  CHECK(s.message() == "masked token 40, expected 0 to 39");
}

TEST_CASE("a head with another output, another model or a missing tensor is named",
          "[model][errors]") {
  const lowbit::model_shape shape = shape_of(head_kind::token);
  const tensor_store tensors = random_model<bibert>(shape, 1600);
  const loaded_bert<lowbit::token_classifier<bibert, lowbit::scalar>> loaded(tensors, shape);
  const head_case c(shape, {3}, 1601);
  const std::size_t order[] = {0};
  const packed_batch batch = c.batch(order);
  const guarded<std::byte> memory(1 << 20);
  two_threads serial{1};
  const auto run = [&](std::size_t rows, std::size_t cols) {
    const canary_matrix<float> out(rows, cols, cols);
    return loaded.model.run(batch.input(), memory.data(), memory.size(), out.view(), serial);
  };
  CHECK(run(3, 5).ok());
  CHECK(run(2, 5).message() == "output of 2 x 5, expected 3 x 5");
  CHECK(run(3, 4).message() == "output of 3 x 4, expected 3 x 5");

  using namespace lowbit;
  CHECK(::load<classifier<bibert, scalar>>(tensors, shape).message() ==
        "this is a token classification model, expected a sequence classification model");
  model_shape other = shape_of(head_kind::span);
  CHECK(::load<span_extractor<bibert, scalar>>(tensors, other).message() ==
        "tensor qa_outputs.bias is missing");
  other.labels = 3;
  CHECK(::load<span_extractor<bibert, scalar>>(tensors, other).message() ==
        "num_labels is 3, expected 2 for question answering");
  other = shape_of(head_kind::masked_lm);
  other.labels = 0;
  for (const char* name : {"cls.predictions.bias", "cls.predictions.transform.dense.weight",
                           "cls.predictions.transform.LayerNorm.bias",
                           "bert.embeddings.word_embeddings.weight.codes"}) {
    tensor_store part = random_model<bibert>(other, 1602);
    part.remove(name);
    CHECK(::load<masked_lm<bibert, scalar>>(part, other).message() ==
          "tensor " + std::string(name) + " is missing");
  }
}
