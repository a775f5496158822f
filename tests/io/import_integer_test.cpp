// SPDX-License-Identifier: Apache-2.0
// The conversion of a float model to integer-only tensors: what it stores, against plain
// arithmetic, and what it refuses.
#include "lowbit/io/import_integer.hpp"

#include <catch2/catch_test_macros.hpp>
#include <string_view>

#include "../model/integer_model.hpp"

namespace {

using namespace lowbit_test;

lowbit::model_shape small_shape() {
  lowbit::model_shape s;
  s.layers = 2;
  s.hidden = 12;
  s.heads = 2;
  s.intermediate = 20;
  s.vocabulary = 30;
  s.positions = 16;
  s.labels = 3;
  return s;
}

const lowbit::stored_tensor& tensor(const lowbit::canonical_model& m, std::string_view name) {
  const lowbit::stored_tensor* t = m.weights().find(name);
  INFO(name);
  REQUIRE(t != nullptr);
  return *t;
}

/// |decoded - original| <= half a step, and -128 nowhere.
void check_rows(const lowbit::canonical_model& m, const tensor_store& floats,
                const std::string& name, bool by_row) {
  const auto& codes = tensor(m, name + ".codes");
  const auto& scales = tensor(m, name + ".scale");
  const lowbit::stored_tensor* w = floats.weights().find(name);
  REQUIRE(codes.type == lowbit::element_type::i8);
  REQUIRE((codes.shape[0] == w->shape[0] && codes.shape[1] == w->shape[1]));
  REQUIRE(scales.elements() == (by_row ? w->shape[0] : 1));
  CHECK(m.weights().find(name) == nullptr);
  double worst = 0;
  int least = 0;
  for (std::size_t i = 0; i < w->elements(); ++i) {
    const double s = static_cast<double>(scales.at(by_row ? i / w->shape[1] : 0));
    const int code = codes.read<std::int8_t>(i);
    least = std::min(least, code);
    worst = std::max(worst, std::abs(code * s - static_cast<double>(w->at(i))) / s);
  }
  CHECK(worst <= 0.5 + 1e-5);
  CHECK(least >= -127);
}

}  // namespace

TEST_CASE("an integer model stores int8 codes and the scale of every site", "[io][ibert]") {
  const integer_model m(small_shape(), 720);
  const lowbit::canonical_model& out = m.converted;
  CHECK(out.policy == "ibert");
  const lowbit::activation_ranges ranges = m.ranges();
  const auto scale = [&](const std::string& name) { return tensor(out, name).at(0); };
  using lowbit::activation_site;
  for (std::size_t l = 0; l < 2; ++l) {
    const std::string layer = "bert.encoder.layer." + std::to_string(l);
    for (const char* part :
         {".attention.self.query", ".attention.self.key", ".attention.self.value",
          ".attention.output.dense", ".intermediate.dense", ".output.dense"}) {
      check_rows(out, m.floats, layer + part + ".weight", true);
      CHECK(tensor(out, layer + part + ".bias").elements() > 0);
    }
    for (const char* part : {"query", "key", "value"})
      CHECK(scale(layer + ".attention.self." + part + ".input.scale") == ranges.hidden[l] / 127.0F);
    CHECK(scale(layer + ".attention.self.query.output.scale") ==
          ranges.at(l, activation_site::query) / 127.0F);
    CHECK(scale(layer + ".attention.self.key.output.scale") ==
          ranges.at(l, activation_site::key) / 127.0F);
    CHECK(scale(layer + ".attention.self.value.output.scale") ==
          ranges.at(l, activation_site::value) / 127.0F);
    CHECK(scale(layer + ".attention.output.dense.input.scale") ==
          ranges.at(l, activation_site::context) / 127.0F);
    CHECK(scale(layer + ".attention.output.LayerNorm.input.scale") ==
          ranges.at(l, activation_site::attention_sum) / 2097151.0F);
    CHECK(scale(layer + ".intermediate.dense.input.scale") ==
          ranges.at(l, activation_site::attended) / 127.0F);
    CHECK(scale(layer + ".output.dense.input.scale") ==
          ranges.at(l, activation_site::middle) / 127.0F);
    CHECK(scale(layer + ".output.LayerNorm.input.scale") ==
          ranges.at(l, activation_site::output_sum) / 2097151.0F);
  }
  CHECK(scale("bert.encoder.output.scale") == ranges.hidden[2] / 127.0F);
  for (const char* part : {"word", "position", "token_type"})
    check_rows(out, m.floats, std::string("bert.embeddings.") + part + "_embeddings.weight", false);
  check_rows(out, m.floats, "bert.pooler.dense.weight", true);
  check_rows(out, m.floats, "classifier.weight", true);
  CHECK(tensor(out, "bert.embeddings.LayerNorm.weight").type == lowbit::element_type::f32);
}

TEST_CASE("activation ranges are the largest magnitudes at their sites", "[io][ibert]") {
  const integer_model m(small_shape(), 721);
  const lowbit::activation_ranges r = m.ranges();
  for (std::size_t l = 0; l < 2; ++l) {
    for (const float v : r.layers[l]) CHECK(v > 0.0F);
    using lowbit::activation_site;
    // A context is a mean of values; GELU shrinks; a sum has the residual in it.
    CHECK(r.at(l, activation_site::context) <= r.at(l, activation_site::value));
  }
  lowbit::activation_ranges one(1);
  lowbit::range_observer observer(one);
  const float rows[] = {1.0F, -3.0F, 99.0F, 2.0F, 0.5F, 99.0F};
  const lowbit::matrix_view<const float> view{rows, 2, 2, 3};  // 99 lies in the gaps
  observer.site(0, lowbit::activation_site::value, view);
  observer.hidden(1, view);
  CHECK(one.at(0, lowbit::activation_site::value) == 3.0F);
  CHECK(one.at(0, lowbit::activation_site::key) == 0.0F);
  CHECK(one.hidden == std::vector<float>{0.0F, 3.0F});
  const float bad[] = {1.0F, std::nanf("")};
  observer.hidden(0, {bad, 1, 2, 2});
  CHECK(std::isnan(one.hidden[0]));
}

TEST_CASE("a bias too large for its weights widens their scale, so the model loads",
          "[io][ibert]") {
  const integer_model m(small_shape(), 722);
  tensor_store floats = random_model<lowbit::policy::fp32>(m.shape, 722);
  const std::string name = "bert.encoder.layer.0.attention.self.query";
  const float tiny = 1e-20F, large = 2.0F, zero = 0.0F;
  for (std::size_t j = 0; j < m.shape.hidden; ++j) {
    std::memcpy(floats.bytes(name + ".weight").data() + j * 4, &tiny, 4);         // row 0
    std::memcpy(floats.bytes(name + ".weight").data() + (12 + j) * 4, &zero, 4);  // row 1
  }
  std::memcpy(floats.bytes(name + ".bias").data(), &large, 4);
  std::memcpy(floats.bytes(name + ".bias").data() + 4, &zero, 4);
  lowbit::canonical_model source;
  source.config.shape = m.shape;
  for (const auto& t : floats.weights())
    source.borrow(t.name, t.type, {t.shape, t.shape + t.rank}, {t.data, t.elements() * 4});
  const auto out = lowbit::import_integer(source, m.ranges());
  REQUIRE(out.ok());
  const float s = tensor(*out, name + ".weight.scale").at(0);
  CHECK(s >= large / (tensor(*out, name + ".input.scale").at(0) * 0x1p29F));
  CHECK(tensor(*out, name + ".weight.scale").at(1) == 0.0F);
  const loaded_weights<integer_classifier<lowbit::native>> loads(out->weights(), m.shape);
}

TEST_CASE("a conversion names what it cannot convert", "[io][ibert]") {
  const integer_model m(small_shape(), 723);
  const auto message = [&](const lowbit::activation_ranges& ranges) {
    const auto out = lowbit::import_integer(m.source, ranges);
    CHECK(out.status().code() == lowbit::errc::invalid_argument);
    return std::string(out.status().message());
  };
  CHECK(message(lowbit::activation_ranges(3)) == "activation ranges of 3 layers, expected 2");
  lowbit::activation_ranges ranges = m.ranges();
  ranges.layers[1][static_cast<std::size_t>(lowbit::activation_site::middle)] = std::nanf("");
  CHECK(message(ranges).find(
            "bert.encoder.layer.1.output.dense.input.scale: activation range is") == 0);
  ranges = m.ranges();
  ranges.hidden[0] = std::numeric_limits<float>::infinity();
  CHECK(message(ranges) ==
        "bert.encoder.layer.0.attention.self.query.input.scale: activation range is inf, expected "
        "a finite number");
  lowbit::canonical_model empty;
  empty.config.shape = m.shape;
  const auto out = lowbit::import_integer(empty, m.ranges());
  CHECK(out.status().message() == "tensor bert.embeddings.word_embeddings.weight is missing");
}
