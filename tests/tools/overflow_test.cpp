// SPDX-License-Identifier: Apache-2.0
// Finite weights whose products leave float32: each float tensor of a model under each policy is
// made huge in turn. Every run ends in an error that names a sentence and a place, or in finite
// values that are the same on every instruction set.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstring>

#include "lowbit/io/named_policy.hpp"
#include "session.hpp"

namespace {

using lowbit::canonical_model;
using lowbit::element_type;
using lowbit::errc;
using lowbit::stored_tensor;
using lowbit_tool::token_rows;

constexpr std::size_t vocabulary_size = 20;
constexpr std::int32_t rare = 7;  // only in the second sentence

lowbit::model_shape small_shape() {
  lowbit::model_shape shape;
  shape.layers = 2;
  shape.hidden = 24;
  shape.heads = 2;
  shape.intermediate = 40;
  shape.vocabulary = vocabulary_size;
  shape.positions = 8;
  shape.token_types = 2;
  shape.labels = 3;
  return shape;
}

token_rows two_sentences() {
  token_rows rows;
  rows.add({1, 2, 3, 4}, {0, 0, 0, 0});
  rows.add({1, rare, 5}, {0, 0, 0});
  rows.masked = {1, 5};
  return rows;
}

/// The model with change(name, index, value) in the place of every value of its float tensors.
template <class Change>
canonical_model changed(const canonical_model& model, Change change) {
  canonical_model out;
  out.config = model.config;
  out.policy = model.policy;
  out.zero = model.zero;
  for (const stored_tensor& t : model.tensors()) {
    std::vector<std::byte> bytes(t.data, t.data + t.bytes());
    if (t.type == element_type::f32) {
      for (std::size_t i = 0; i < t.elements(); ++i) {
        const float value = change(std::string_view(t.name), i, t.at(i));
        std::memcpy(bytes.data() + i * sizeof value, &value, sizeof value);
      }
    }
    std::vector<std::size_t> shape(t.shape, t.shape + t.rank);
    out.own(t.name, t.type, shape, std::move(bytes));
  }
  return out;
}

template <class Change>
lowbit::result<std::vector<float>> run(const canonical_model& model, const char* arch,
                                       Change change) {
  auto s = lowbit_tool::session::start(changed(model, change), arch, 1);
  if (!s) return s.status();
  return s->run(two_sentences());
}

canonical_model random(const std::string& policy) {
  auto model = lowbit_tool::random_model(small_shape(), policy, "", 3);
  REQUIRE(model);
  return *std::move(model);
}

/// fp32 with the tensors of another head.
canonical_model with_head(lowbit::head_kind head) {
  canonical_model model = random("fp32");
  model.config.shape.head = head;
  if (head == lowbit::head_kind::span) model.config.shape.labels = 2;
  const auto add = [&](std::string name, std::vector<std::size_t> shape) {
    std::size_t count = 1;
    for (const std::size_t extent : shape) count *= extent;
    model.own(std::move(name), std::move(shape), std::vector<float>(count, 0.25F));
  };
  const std::size_t d = small_shape().hidden;
  add("qa_outputs.weight", {2, d});
  add("qa_outputs.bias", {2});
  add("cls.predictions.transform.dense.weight", {d, d});
  add("cls.predictions.transform.dense.bias", {d});
  add("cls.predictions.transform.LayerNorm.weight", {d});
  add("cls.predictions.transform.LayerNorm.bias", {d});
  add("cls.predictions.bias", {vocabulary_size});
  return model;
}

/// The error of a run where every value of these tensors is almost the largest float, the same on
/// every instruction set.
std::string message_of(const canonical_model& model, const std::vector<std::string_view>& tensors) {
  std::string message;
  for (const lowbit::engine* engine : lowbit::usable_engines()) {
    const auto out = run(model, engine->arch, [&](std::string_view name, std::size_t, float value) {
      const bool huge = std::find(tensors.begin(), tensors.end(), name) != tensors.end();
      return huge ? 3e38F : value;
    });
    CAPTURE(model.policy, tensors, engine->arch);
    REQUIRE_FALSE(out);
    CHECK(out.status().code() == errc::not_finite);
    if (message.empty()) message = out.status().message();
    CHECK(out.status().message() == message);
  }
  return message;
}

const std::string reason = ": a value is not finite; the weights are too large for float32";

}  // namespace

TEST_CASE("a value that overflows never becomes an answer, under any policy", "[overflow]") {
  std::size_t errors = 0;
  std::size_t answers = 0;
  for (const auto& policy : lowbit::named_policies) {
    const canonical_model model = random(std::string(policy.name));
    for (const stored_tensor& huge : model.tensors()) {
      if (huge.type != element_type::f32) continue;
      for (const int power : {60, 100, 124}) {
        std::optional<std::vector<float>> first;
        std::string first_error;
        for (const lowbit::engine* engine : lowbit::usable_engines()) {
          const char* const arch = engine->arch;
          const auto out = run(model, arch, [&](std::string_view name, std::size_t, float value) {
            return name == huge.name ? std::ldexp(value, power) : value;
          });
          CAPTURE(policy.name, huge.name, power, arch);
          if (!out) {
            const std::string message(out.status().message());
            ++errors;
            CHECK_FALSE(first.has_value());
            if (first_error.empty()) first_error = message;
            CHECK(message == first_error);
            CHECK(out.status().code() != errc::invalid_argument);
            continue;
          }
          ++answers;
          CHECK(first_error.empty());
          for (const float value : *out) REQUIRE(std::isfinite(value));
          if (!first) first = *out;
          REQUIRE(std::memcmp(first->data(), out->data(), out->size() * sizeof(float)) == 0);
        }
      }
    }
  }
  CHECK(errors > 500);
  CHECK(answers > 500);
}

TEST_CASE("the error of an overflow names sentence and layer", "[overflow]") {
  const canonical_model model = random("int8");
  CHECK(message_of(model, {"bert.encoder.layer.0.output.dense.bias"}) ==
        "sentence 0, encoder layer 0" + reason);
  CHECK(message_of(model, {"bert.encoder.layer.1.attention.self.value.weight.scale"}) ==
        "sentence 0, encoder layer 1" + reason);
  CHECK(message_of(model, {"bert.encoder.layer.1.output.LayerNorm.weight"}) ==
        "sentence 0, encoder layer 1" + reason);
  CHECK(message_of(model, {"bert.embeddings.position_embeddings.weight"}) ==
        "sentence 0, embeddings" + reason);
  CHECK(message_of(model, {"bert.pooler.dense.bias", "classifier.weight"}) ==
        "sentence 0, head" + reason);

  const auto out = run(random("fp32"), "scalar", [](std::string_view name, std::size_t i, float v) {
    const bool row = name == "bert.embeddings.word_embeddings.weight" &&
                     i / small_shape().hidden == static_cast<std::size_t>(rare);
    return row ? 3e38F : v;
  });
  REQUIRE_FALSE(out);
  CHECK(out.status().message() == "sentence 1, embeddings" + reason);
}

// What an encoding to codes or a range would hide: zeros, or a clipped value.
TEST_CASE("an overflow at any site of a layer ends the run in that layer", "[overflow]") {
  const auto ends = [](const std::string& policy, const std::string& scale,
                       const std::vector<std::string>& sites) {
    const canonical_model model = random(policy);
    for (const std::string& site : sites) {
      const std::string tensor = "bert.encoder.layer.1." + site + scale;
      CHECK(message_of(model, {tensor}) == "sentence 0, encoder layer 1" + reason);
    }
  };
  const std::vector<std::string> products = {"attention.self.query", "attention.self.key",
                                             "attention.self.value", "intermediate.dense"};
  for (const char* policy : {"int8", "w4a8", "q8bert", "ternarybert_w2a8", "ternarybert_w2a4",
                             "binarybert_w1a8", "binarybert_w1a4"}) {
    ends(policy, ".weight.scale", products);
  }
  ends("fp32", ".weight", products);
  for (const char* policy : {"fp32", "int8", "q8bert", "bibert", "bit", "ternarybert_w2a8"})
    ends(policy, ".bias", {"attention.output.dense", "output.dense"});
}

TEST_CASE("the values of every head are finite or an error", "[overflow]") {
  using lowbit::head_kind;
  for (const head_kind head :
       {head_kind::sequence, head_kind::token, head_kind::span, head_kind::masked_lm,
        head_kind::mean_embedding, head_kind::cls_embedding}) {
    const canonical_model model = with_head(head);
    CAPTURE(static_cast<int>(head));
    const auto same = [](std::string_view, std::size_t, float value) { return value; };
    const auto sound = run(model, "scalar", same);
    REQUIRE(sound);
    for (const float value : *sound) REQUIRE(std::isfinite(value));
    // Finite hidden rows whose squares, or sums of products, are not.
    const std::string last = "bert.encoder.layer.1.output.LayerNorm.weight";
    const std::string message = message_of(model, {last});
    CHECK(message.starts_with("sentence 0, "));
    const auto large = run(model, "scalar", [&](std::string_view name, std::size_t, float value) {
      return name == last ? 1e30F : value;
    });
    const bool embeds = head == head_kind::mean_embedding || head == head_kind::cls_embedding;
    if (embeds) CHECK_FALSE(large);
    if (large) {
      for (const float value : *large) REQUIRE(std::isfinite(value));
    }
  }
}
