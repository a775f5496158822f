// SPDX-License-Identifier: Apache-2.0
// Integer-only classifiers: near the float model they come from, the same bits on every arch, in
// every batch, with every executor.
#include "lowbit/model/integer_encoder.hpp"

#include <catch2/catch_test_macros.hpp>
#include <numeric>

#include "../support/archs.hpp"
#include "../support/compare.hpp"
#include "../support/two_threads.hpp"
#include "integer_model.hpp"
#include "lowbit/model/head/linear_per_token.hpp"

namespace {

using namespace lowbit_test;

lowbit::model_shape medium_shape() {
  lowbit::model_shape s;
  s.layers = 3;
  s.hidden = 128;
  s.heads = 4;
  s.intermediate = 256;
  s.vocabulary = 200;
  s.positions = 48;
  s.labels = 12;
  return s;
}

double cosine(const float* a, const float* b, std::size_t n) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return ab / std::sqrt(aa * bb);
}

std::vector<std::size_t> all_of(const std::vector<sentence>& sentences) {
  std::vector<std::size_t> order(sentences.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  return order;
}

/// Remembers the hidden rows and the pooled ones.
struct hidden_recorder {
  static constexpr bool enabled = true;
  std::size_t layer = 0;
  std::vector<std::vector<float>> hidden_rows;
  std::vector<float> pooled_rows;
  std::size_t scores_seen = 0;

  static std::vector<float> copy(lowbit::matrix_view<const float> rows) {
    std::vector<float> out;
    for (std::size_t r = 0; r < rows.rows; ++r)
      out.insert(out.end(), rows.row(r), rows.row(r) + rows.cols);
    return out;
  }
  void hidden(std::size_t index, lowbit::matrix_view<const float> rows) {
    REQUIRE(index == hidden_rows.size());
    hidden_rows.push_back(copy(rows));
  }
  void scores(const lowbit::query_span&, std::size_t, lowbit::matrix_view<const float> rows) {
    scores_seen += rows.rows * rows.cols;
  }
  void context(const lowbit::query_span&, std::size_t, lowbit::matrix_view<const float>) const {}
  void pooled(lowbit::matrix_view<const float> rows) { pooled_rows = copy(rows); }
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("an integer-only classifier tracks the float one it comes from", "[ibert]",
                        compiled_archs) {
  need_arch<TestType>();
  const integer_model m(medium_shape(), 700, 24);
  const loaded_model<lowbit::policy::fp32, TestType> real(m.floats, m.shape);
  const loaded_weights<integer_classifier<TestType>> integer(m.converted.weights(), m.shape);
  const packed_batch batch(m.sentences, all_of(m.sentences));
  two_threads executor{1};
  const auto expected = run_model(real.model, batch.input(), executor);
  const auto logits = run_model(integer.model, batch.input(), executor);
  std::size_t same = 0;
  const std::size_t labels = m.shape.labels;
  for (std::size_t s = 0; s < m.sentences.size(); ++s) {
    const float* a = logits.data() + s * labels;
    const float* b = expected.data() + s * labels;
    CHECK(cosine(a, b, labels) > 0.99);
    same += std::max_element(a, a + labels) - a == std::max_element(b, b + labels) - b ? 1 : 0;
  }
  CHECK(same >= m.sentences.size() * 9 / 10);
  hidden_recorder ours, theirs;
  CHECK(run_model(integer.model, batch.input(), executor, ours) == logits);
  static_cast<void>(run_model(real.model, batch.input(), executor, theirs));
  REQUIRE(ours.hidden_rows.size() == m.shape.layers + 1);
  for (std::size_t l = 0; l <= m.shape.layers; ++l) {
    CAPTURE(l);
    REQUIRE(ours.hidden_rows[l].size() == theirs.hidden_rows[l].size());
    CHECK(cosine(ours.hidden_rows[l].data(), theirs.hidden_rows[l].data(),
                 ours.hidden_rows[l].size()) > 0.99);
  }
  CHECK(cosine(ours.pooled_rows.data(), theirs.pooled_rows.data(), ours.pooled_rows.size()) > 0.99);
  CHECK(ours.scores_seen == theirs.scores_seen);
}

TEMPLATE_LIST_TEST_CASE("an integer-only classifier gives the same bits everywhere", "[ibert]",
                        compiled_archs) {
  need_arch<TestType>();
  const integer_model m(ragged_shape(), 701);
  const loaded_weights<integer_classifier<lowbit::scalar>> scalar(m.converted.weights(), m.shape);
  const loaded_weights<integer_classifier<TestType>> model(m.converted.weights(), m.shape);
  two_threads one{1};
  two_threads two;
  const std::vector<std::size_t> orders[] = {all_of(m.sentences), {5, 0, 3, 1, 4, 2}, {2, 2}};
  const auto expected = run_model(scalar.model, packed_batch(m.sentences, orders[0]).input(), one);
  for (const auto& order : orders) {
    const packed_batch batch(m.sentences, order);
    std::vector<float> wanted;
    for (const std::size_t s : order) {
      const float* row = expected.data() + s * m.shape.labels;
      wanted.insert(wanted.end(), row, row + m.shape.labels);
    }
    CHECK(difference(run_model(model.model, batch.input(), one), wanted) == "");
    CHECK(difference(run_model(model.model, batch.input(), two), wanted) == "");
  }
  for (std::size_t s = 0; s < m.sentences.size(); ++s) {
    const std::size_t order[] = {s};
    const auto alone = run_model(model.model, packed_batch(m.sentences, order).input(), one);
    for (std::size_t c = 0; c < m.shape.labels; ++c)
      CHECK(same_bits(alone[c], expected[s * m.shape.labels + c]));
  }
}

TEMPLATE_LIST_TEST_CASE("heads of float rows read the decoded codes of an integer encoder",
                        "[ibert]", compiled_archs) {
  need_arch<TestType>();
  lowbit::model_shape shape = medium_shape();
  const integer_model m(shape, 702);
  // The same encoder under a token head with float weights of its own.
  lowbit::canonical_model tagged = lowbit::import_integer(m.source, m.ranges()).value();
  shape.head = lowbit::head_kind::token;
  random_source random(703);
  tagged.own("classifier.weight", {shape.labels, shape.hidden},
             random.floats(shape.labels * shape.hidden, 0.0F, 0.3F));
  using tagger = lowbit::bert<lowbit::policy::ibert, lowbit::token_head<TestType>, TestType>;
  const loaded_weights<tagger> model(tagged.weights(), shape);
  const loaded_weights<integer_classifier<TestType>> classifier(m.converted.weights(), m.shape);
  const packed_batch batch(m.sentences, all_of(m.sentences));
  two_threads executor{1};
  const auto logits = run_model(model.model, batch.input(), executor);
  hidden_recorder seen;
  static_cast<void>(run_model(classifier.model, batch.input(), executor, seen));
  const std::vector<float>& rows = seen.hidden_rows.back();
  double worst = 0;
  for (std::size_t t = 0; t < rows.size() / shape.hidden; ++t) {
    for (std::size_t o = 0; o < shape.labels; ++o) {
      double y = static_cast<double>(tagged.weights().find("classifier.bias")->at(o));
      for (std::size_t c = 0; c < shape.hidden; ++c) {
        y += static_cast<double>(rows[t * shape.hidden + c]) *
             static_cast<double>(
                 tagged.weights().find("classifier.weight")->at(o * shape.hidden + c));
      }
      worst = std::max(worst, std::abs(y - static_cast<double>(logits[t * shape.labels + o])));
    }
  }
  CHECK(worst <= 1e-4);
}

TEST_CASE("an integer-only model names what does not fit", "[ibert]") {
  const integer_model m(ragged_shape(), 704);
  const auto load = [&](auto change) {
    std::vector<lowbit::stored_tensor> tensors(m.converted.tensors().begin(),
                                               m.converted.tensors().end());
    lowbit::model_shape shape = m.shape;
    const float bad = change(tensors, shape);
    for (lowbit::stored_tensor& t : tensors) {
      if (t.data == nullptr) t.data = reinterpret_cast<const std::byte*>(&bad);
    }
    const lowbit::weight_set weights{tensors.data(), tensors.size()};
    using model = integer_classifier<lowbit::scalar>;
    const guarded<std::byte> memory(model::model_bytes(weights, shape));
    lowbit::arena space(memory.data(), memory.size());
    model encoder;
    const lowbit::status s = encoder.load(space, weights, shape);
    CHECK(!s.ok());
    return std::string(s.message());
  };
  const auto set = [&](const char* name, float value) {
    return load([&](auto& tensors, auto&) {
      for (auto& t : tensors) {
        if (std::string_view(name) == t.name) t.data = nullptr;
      }
      return value;
    });
  };
  const std::string self = "bert.encoder.layer.1.attention.self.";
  CHECK(set("bert.encoder.output.scale", 0.0F) ==
        "tensor bert.encoder.output.scale is not above 0");
  CHECK(set((self + "key.output.scale").c_str(), -1.0F) ==
        "tensor " + self + "key.output.scale is not above 0");
  CHECK(set((self + "query.output.scale").c_str(), std::nanf("")) ==
        "tensor " + self + "query.output.scale element 0 is not finite");
  CHECK(set((self + "value.input.scale").c_str(), 3.0F) ==
        "tensor " + self + "value.input.scale differs from " + self +
            "query.input.scale, which reads the same codes");
  CHECK(set("bert.encoder.layer.0.output.LayerNorm.input.scale", 1e-30F).find("not below 2^29") !=
        std::string::npos);
  CHECK(set("bert.embeddings.LayerNorm.input.scale", 1e-38F).find("not below 2^29") !=
        std::string::npos);
  CHECK(load([](auto& tensors, auto&) {
          std::erase_if(tensors, [](const auto& t) {
            return std::string_view(t.name) == "bert.encoder.layer.0.output.dense.input.scale";
          });
          return 0.0F;
        }) == "tensor bert.encoder.layer.0.output.dense.input.scale is missing");
  CHECK(load([](auto&, auto& shape) {
          shape.positions = 65537;
          return 0.0F;
        }) == "max_position_embeddings is 65537, an integer-only model has at most 65536");
}

TEST_CASE("an integer encoder takes no padded batch", "[ibert]") {
  const integer_model m(ragged_shape(), 703);
  const loaded_weights<integer_classifier<lowbit::scalar>> model(m.converted.weights(), m.shape);
  const packed_batch batch(m.sentences, all_of(m.sentences));
  lowbit::token_input in = batch.input();
  const std::vector<std::uint32_t> valid(m.sentences.size(), 1);
  in.batch.valid = valid.data();
  std::vector<float> logits(m.sentences.size() * m.shape.labels);
  two_threads here{1};
  const lowbit::matrix_view<float> out{logits.data(), m.sentences.size(), m.shape.labels,
                                       m.shape.labels};
  CHECK(std::string(model.model.run(in, nullptr, 0, out, here).message())
            .starts_with("a padded batch"));
}

TEST_CASE("ids, types and positions outside their tables are named", "[ibert]") {
  const lowbit::model_shape shape = ragged_shape();
  const std::int32_t ids[] = {1, 2, 97}, types[] = {0, 2, 0}, positions[] = {0, 1, -1};
  const std::uint32_t offsets[] = {0, 2, 2, 3};
  const auto check = [&](const std::int32_t* kinds, const std::int32_t* places,
                         const std::uint32_t* at, std::size_t sentences) {
    return std::string(
        lowbit::check_tokens({ids, kinds, places, {at, sentences}}, shape).message());
  };
  CHECK(check(nullptr, nullptr, offsets, 1).empty());
  CHECK(check(nullptr, nullptr, offsets, 2) == "sentence 1 has no tokens");
  const std::uint32_t whole[] = {0, 3};
  CHECK(check(nullptr, nullptr, whole, 1) == "token id 97 at token 2, expected 0 to 96");
  CHECK(check(types, nullptr, offsets, 1) == "token type 2 at token 1, expected 0 to 1");
  CHECK(check(nullptr, positions + 1, offsets, 1) == "position -1 at token 1, expected 0 to 69");
  const std::vector<std::int32_t> many(71, 0);
  const std::uint32_t long_one[] = {0, 71};
  CHECK(lowbit::check_tokens({many.data(), nullptr, nullptr, {long_one, 1}}, shape).message() ==
        "sentence 0 has 71 tokens, the model takes at most 70");
}
