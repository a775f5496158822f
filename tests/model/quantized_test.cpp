// SPDX-License-Identifier: Apache-2.0
// Policies of encoded weights against bare loops in double over decoded weights and rounded inputs;
// the same bits from every arch, with one and two workers, alone and in a batch; and a per-layer
// mixture.
#include <catch2/catch_test_macros.hpp>

#include "../support/archs.hpp"
#include "../support/compare.hpp"
#include "../support/two_threads.hpp"
#include "lowbit/io/model_layout.hpp"
#include "lowbit/policy/per_layer.hpp"
#include "lowbit/policy/quantized.hpp"
#include "random_model.hpp"
#include "reference_forward.hpp"

namespace {

using namespace lowbit_test;
namespace policy = lowbit::policy;

lowbit::model_shape tiny_shape() {
  lowbit::model_shape s = ragged_shape();
  s.layers = 1;
  s.hidden = 18;
  s.heads = 3;
  s.intermediate = 37;
  return s;
}

template <class Policy>
void decode_all(reference_forward& loops, const lowbit::model_shape& s) {
  using weights = typename Policy::linear::weights;
  constexpr bool codes = lowbit::is_int8_input<typename Policy::linear::input>;
  loops.decode<typename Policy::embedding>("bert.embeddings.word_embeddings", s.vocabulary,
                                           s.hidden, false);
  for (const lowbit::linear_layout& l : lowbit::linear_layers(s)) {
    if (l.at != lowbit::site::classifier) loops.decode<weights>(l.name, l.n, l.k, codes);
  }
}

/// Runs whose values keep away from the middle between two codes must agree; some of 60 do.
template <class Policy, class Arch>
void check_against_loops(std::uint64_t first) {
  constexpr double least_margin = 3e-4;  // codes; float errors are far below 127 * 1e-6
  const lowbit::model_shape shape = tiny_shape();
  int compared = 0;
  for (std::uint64_t seed = first; seed < first + 60 && compared < 2; ++seed) {
    const tensor_store tensors = random_model<Policy>(shape, seed);
    random_source random(seed + 1);
    const std::vector<sentence> sentences{random_sentence(shape, 4, random)};
    reference_forward loops(tensors.weights(), shape);
    decode_all<Policy>(loops, shape);
    const reals expected = loops.fp32(sentences[0].ids, sentences[0].types);
    if (loops.margin < least_margin) continue;
    ++compared;
    const std::size_t order[] = {0};
    const packed_batch batch(sentences, order);
    const loaded_model<Policy, Arch> loaded(tensors, shape);
    two_threads serial{1};
    const std::vector<float> logits = run_model(loaded.model, batch.input(), serial);
    INFO(Policy::name << " seed " << seed << " margin " << loops.margin);
    CHECK(farther_than(2e-5, {logits.begin(), logits.end()}, expected) == "");
  }
  INFO(Policy::name);
  CHECK(compared == 2);
}

template <class Policy, class Arch, class Executor>
std::vector<float> logits_of(const tensor_store& tensors, const lowbit::model_shape& shape,
                             std::span<const sentence> sentences,
                             std::span<const std::size_t> order, Executor& executor) {
  const packed_batch batch(sentences, order);
  const loaded_model<Policy, Arch> loaded(tensors, shape);
  return run_model(loaded.model, batch.input(), executor);
}

template <class Policy, class Arch>
void check_same_bits(std::uint64_t seed) {
  const lowbit::model_shape shape = ragged_shape();
  const tensor_store tensors = random_model<Policy>(shape, seed);
  random_source random(seed + 1);
  std::vector<sentence> sentences;
  for (const std::size_t length : {1U, 7U, 33U, 70U})
    sentences.push_back(random_sentence(shape, length, random));
  two_threads serial{1};
  two_threads both;
  const std::size_t all[] = {0, 1, 2, 3};
  const std::size_t alone[] = {2};
  const auto batch = logits_of<Policy, Arch>(tensors, shape, sentences, all, serial);
  const auto scalar = logits_of<Policy, lowbit::scalar>(tensors, shape, sentences, all, serial);
  const auto threads = logits_of<Policy, Arch>(tensors, shape, sentences, all, both);
  const auto single = logits_of<Policy, Arch>(tensors, shape, sentences, alone, serial);
  CAPTURE(Policy::name);
  CHECK(batch == scalar);
  CHECK(batch == threads);
  CHECK(std::equal(single.begin(), single.end(), batch.begin() + 2 * 3));
}

bool in_layer_1(const lowbit::linear_layout& l) {
  return l.name.find(".layer.1.") != std::string::npos || l.at == lowbit::site::pooler;
}

/// An int8 model whose second layer and pooler are floats: the builder makes the tensors of one
/// policy.
tensor_store floats_in_layer_1(const lowbit::model_shape& shape) {
  tensor_store tensors = random_model<policy::int8>(shape, 2800);
  const tensor_store floats = random_model<policy::fp32>(shape, 2801);
  for (const lowbit::linear_layout& l : lowbit::linear_layers(shape)) {
    if (!in_layer_1(l)) continue;
    const lowbit::stored_tensor* t = floats.weights().find(l.name + ".weight");
    tensors.add(l.name + ".weight", {l.n, l.k}, lowbit::element_type::f32,
                {t->data, t->data + l.n * l.k * sizeof(float)});
  }
  return tensors;
}

/// Keeps the hidden rows of a run.
struct hidden_observer {
  static constexpr bool enabled = true;
  std::size_t layer = 0;
  std::vector<std::vector<float>> rows;

  void hidden(std::size_t index, lowbit::matrix_view<const float> m) {
    rows.resize(index + 1);
    for (std::size_t r = 0; r < m.rows; ++r)
      rows[index].insert(rows[index].end(), m.row(r), m.row(r) + m.cols);
  }
  void scores(const lowbit::query_span&, std::size_t, lowbit::matrix_view<const float>) {}
  void context(const lowbit::query_span&, std::size_t, lowbit::matrix_view<const float>) {}
  void pooled(lowbit::matrix_view<const float>) {}
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("encoded weights give what bare loops over decoded values give", "[model]",
                        compiled_archs) {
  need_arch<TestType>();
  check_against_loops<policy::int8, TestType>(2000);
  check_against_loops<policy::w4a8, TestType>(2100);
  check_against_loops<policy::w4g32a8, TestType>(3000);
  check_against_loops<policy::codebook<16>, TestType>(2200);
  check_against_loops<policy::codebook<256>, TestType>(2300);
  check_against_loops<policy::gobo<3>, TestType>(2400);
}

TEMPLATE_LIST_TEST_CASE("encoded weights give the same bits everywhere", "[model]",
                        compiled_archs) {
  need_arch<TestType>();
  check_same_bits<policy::int8, TestType>(2500);
  check_same_bits<policy::w4g32a8, TestType>(3100);
  check_same_bits<policy::w4g128a8, TestType>(3200);
  check_same_bits<policy::codebook<8>, TestType>(2600);
  check_same_bits<policy::gobo<4>, TestType>(2700);
}

TEMPLATE_LIST_TEST_CASE("a policy per layer gives the same bits everywhere", "[model]",
                        compiled_archs) {
  need_arch<TestType>();
  using mixed = lowbit::per_layer<lowbit::first<1, policy::int8>, lowbit::rest<policy::fp32>>;
  static_assert(mixed::begin(1, 2) == 1 && mixed::begin(2, 2) == 2 && mixed::begin(1, 1) == 1);
  const lowbit::model_shape shape = ragged_shape();
  const tensor_store tensors = floats_in_layer_1(shape);
  random_source random(2802);
  const std::vector<sentence> sentences{random_sentence(shape, 5, random),
                                        random_sentence(shape, 40, random)};
  const std::size_t all[] = {0, 1};
  two_threads serial{1};
  two_threads both;
  const auto batch = logits_of<mixed, TestType>(tensors, shape, sentences, all, serial);
  CHECK(batch == logits_of<mixed, lowbit::scalar>(tensors, shape, sentences, all, serial));
  CHECK(batch == logits_of<mixed, TestType>(tensors, shape, sentences, all, both));

  // Layer 0 alone under int8, layer 1 and pooler in f32: the loops agree on the coarse value.
  reference_forward loops(tensors.weights(), shape);
  loops.decode<lowbit::int8<lowbit::scale::row>>("bert.embeddings.word_embeddings",
                                                 shape.vocabulary, shape.hidden, false);
  for (const lowbit::linear_layout& l : lowbit::linear_layers(shape)) {
    if (l.name.find(".layer.0.") == std::string::npos) continue;
    loops.decode<lowbit::int8<lowbit::scale::row>>(l.name, l.n, l.k, true);
  }
  const reals expected = loops.fp32(sentences[0].ids, sentences[0].types);
  CHECK(farther_than(5e-2, {batch.begin(), batch.begin() + 3}, expected) == "");
}

TEST_CASE("each layer alone gives the hidden rows of a run, whatever its policy", "[model]") {
  need_arch<lowbit::native>();
  using mixed = lowbit::per_layer<lowbit::first<1, policy::int8>, lowbit::rest<policy::fp32>>;
  using model_type = lowbit::classifier<mixed, lowbit::native>;
  const lowbit::model_shape shape = ragged_shape();
  const tensor_store tensors = floats_in_layer_1(shape);
  const loaded_bert<model_type> loaded(tensors, shape);
  random_source random(2804);
  const std::vector<sentence> sentences{random_sentence(shape, 9, random),
                                        random_sentence(shape, 20, random)};
  const std::size_t all[] = {0, 1};
  const packed_batch batch(sentences, all);
  const lowbit::token_batch tokens = batch.input().batch;
  lowbit::serial here;
  hidden_observer seen;
  static_cast<void>(run_model(loaded.model, batch.input(), here, seen));
  REQUIRE(seen.rows.size() == shape.layers + 1);
  const guarded<std::byte> space(
      model_type::workspace_bytes(shape, model_type::limits_of(tokens, 1)));
  for (std::size_t l = 0; l < shape.layers; ++l) {
    std::vector<float> rows = seen.rows[l];
    REQUIRE(rows.size() == tokens.tokens() * shape.hidden);
    const lowbit::matrix_view<float> view{rows.data(), tokens.tokens(), shape.hidden, shape.hidden};
    REQUIRE(loaded.model.run_layer(l, tokens, space.data(), space.size(), view, here).ok());
    CAPTURE(l);
    CHECK(rows == seen.rows[l + 1]);
    CHECK(rows != seen.rows[l]);
  }
}

TEST_CASE("float matrices of an integer model, named by the file, give the bits of a policy",
          "[model]") {
  need_arch<lowbit::native>();
  using typed = lowbit::per_layer<lowbit::first<1, policy::int8>, lowbit::rest<policy::fp32>>;
  const lowbit::model_shape shape = ragged_shape();
  tensor_store tensors = floats_in_layer_1(shape);
  random_source random(2803);
  const std::vector<sentence> sentences{random_sentence(shape, 5, random),
                                        random_sentence(shape, 40, random)};
  const std::size_t all[] = {0, 1};
  two_threads serial{1};
  const auto expected = logits_of<typed, lowbit::native>(tensors, shape, sentences, all, serial);
  const std::string_view int8 = "int8";
  const auto text = std::as_bytes(std::span(int8));
  const auto name_format = [&](const std::string& name) {
    tensors.add(name + ".weight.format", {4}, lowbit::element_type::u8, {text.begin(), text.end()});
  };
  name_format("bert.embeddings.word_embeddings");
  for (const lowbit::linear_layout& l : lowbit::linear_layers(shape)) {
    if (!in_layer_1(l) && l.at != lowbit::site::classifier) name_format(l.name);
  }
  using named = policy::any_integer;
  CHECK(logits_of<named, lowbit::native>(tensors, shape, sentences, all, serial) == expected);
}
