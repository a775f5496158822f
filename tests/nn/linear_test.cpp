// SPDX-License-Identifier: Apache-2.0
// linear<Format, Arch> from canonical tensors, and the thresholds that replace its float output.
#include "lowbit/nn/linear.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "../support/archs.hpp"
#include "../support/bit_rows.hpp"
#include "../support/compare.hpp"
#include "../support/weights.hpp"
#include "lowbit/policy/policy.hpp"

namespace {

using namespace lowbit_test;
using lowbit::word;
namespace activation = lowbit::activation;

template <class Format>
constexpr bool elastic = std::is_same_v<typename Format::input, activation::elastic_sign> ||
                         std::is_same_v<typename Format::input, activation::elastic_bool>;

constexpr float input_scale = 0.75F;

/// Random canonical tensors of a layer "dense" (N, K).
template <class Format>
tensor_store layer_tensors(std::size_t n, std::size_t k, random_source& random) {
  tensor_store tensors;
  if constexpr (lowbit::is_sign<typename Format::weights>) {
    const std::size_t scales = Format::weights::scales(n);
    tensors.add_random_codes("dense.weight.codes", n, k, random);
    tensors.add("dense.weight.scale", {scales}, random.floats(scales, 0.3F, 0.2F));
  } else {
    tensors.add("dense.weight", {n, k}, random.floats(n * k, 0.0F, 0.3F));
  }
  tensors.add("dense.bias", {n}, random.floats(n, 0.0F, 1.0F));
  if constexpr (elastic<Format>) {
    tensors.add("dense.input.shift", {k}, random.floats(k, 0.0F, 0.5F));
    tensors.add("dense.input.scale", {}, {input_scale});
  }
  return tensors;
}

/// A layer in memory of exactly the size that it measured.
template <class Format, class Arch>
struct loaded_layer {
  lowbit::linear<Format, Arch> layer;
  guarded<std::byte> memory;

  loaded_layer(const tensor_store& tensors, std::size_t n, std::size_t k)
      : memory(measured_bytes(n, k)) {
    lowbit::arena space(memory.data(), memory.size());
    const auto s = layer.load(space, tensors.weights(), lowbit::tensor_name("dense"), n, k);
    INFO(s.message());
    REQUIRE(s.ok());
  }
  static std::size_t measured_bytes(std::size_t n, std::size_t k) {
    lowbit::arena measure;
    lowbit::linear<Format, Arch> layer;
    REQUIRE(layer.load(measure, {}, lowbit::tensor_name("dense"), n, k).ok());
    return measure.used();
  }
};

float stored(const tensor_store& tensors, const char* name, std::size_t i) {
  return tensors.weights().find(name)->at(i);
}
int code(const tensor_store& tensors, std::size_t k, std::size_t o, std::size_t j) {
  const lowbit::stored_tensor* codes = tensors.weights().find("dense.weight.codes");
  const std::size_t byte = o * ((k + 7) / 8) + j / 8;
  return (std::to_integer<unsigned>(codes->data[byte]) >> (j % 8) & 1U) != 0 ? -1 : 1;
}

template <class Format, class Arch>
void check_one_bit(std::size_t m, std::size_t n, std::size_t k, std::uint64_t seed) {
  random_source random(seed);
  const tensor_store tensors = layer_tensors<Format>(n, k, random);
  const loaded_layer<Format, Arch> loaded(tensors, n, k);
  const std::vector<std::int8_t> x = random.signs(m * k);
  const std::size_t words = lowbit::words_for(k);
  const guarded<word> rows(m * words);
  for (std::size_t t = 0; t < m; ++t) {
    const auto row = bit_row(x.data() + t * k, k, -1);
    std::copy(row.begin(), row.end(), rows.data() + t * words);
  }
  const canary_matrix<float> out(m, n, n + 1);
  lowbit::serial executor;
  const lowbit::activation_rows<typename Format::op> a{{rows.data(), m, words, words}, k};
  loaded.layer.run(a, loaded.layer.to_output() | lowbit::store{out.view()}, executor);
  std::vector<float> expected(m * n);
  const bool one_scale = Format::weights::scales(2) == 1;
  for (std::size_t t = 0; t < m; ++t) {
    for (std::size_t o = 0; o < n; ++o) {
      int count = 0;
      for (std::size_t j = 0; j < k; ++j) count += x[t * k + j] * code(tensors, k, o, j);
      const float scale = stored(tensors, "dense.weight.scale", one_scale ? 0 : o) *
                          (elastic<Format> ? input_scale : 1.0F);
      expected[t * n + o] =
          std::fma(static_cast<float>(count), scale, stored(tensors, "dense.bias", o));
      CHECK(loaded.layer.output_of(count, o) == expected[t * n + o]);
    }
  }
  CAPTURE(m, n, k, seed);
  CHECK(difference<float>(out.view(), {expected.data(), m, n, n}) == "");
  CHECK(out.damage() == "");
}

using bibert_linear = lowbit::policy::bibert::linear;
using bit_linear = lowbit::policy::bit::linear;
using f32_linear = lowbit::policy::fp32::linear;

}  // namespace

TEMPLATE_LIST_TEST_CASE("a one-bit linear layer is scale times count plus bias", "[linear]",
                        compiled_archs) {
  need_arch<TestType>();
  for (const std::size_t k : {1U, 15U, 64U, 75U}) {
    check_one_bit<bibert_linear, TestType>(3, 33, k, 190 + k);
    check_one_bit<bit_linear, TestType>(3, 33, k, 290 + k);
  }
}

TEMPLATE_LIST_TEST_CASE("an f32 linear layer sums over k in order, then adds the bias", "[linear]",
                        compiled_archs) {
  need_arch<TestType>();
  random_source random(191);
  CAPTURE(random.seed());
  constexpr std::size_t m = 5, n = 50, k = 75;
  const tensor_store tensors = layer_tensors<f32_linear>(n, k, random);
  const loaded_layer<f32_linear, TestType> loaded(tensors, n, k);
  const guarded_copy x(random.floats(m * k, 0.0F, 1.0F));
  const canary_matrix<float> out(m, n, n);
  lowbit::serial executor;
  const lowbit::activation_rows<lowbit::mul_add> a{{x.data(), m, k, k}, k};
  loaded.layer.run(a, loaded.layer.to_output() | lowbit::store{out.view()}, executor);
  std::vector<float> expected(m * n);
  for (std::size_t t = 0; t < m; ++t) {
    for (std::size_t o = 0; o < n; ++o) {
      float sum = 0.0F;
      for (std::size_t j = 0; j < k; ++j) {
        sum = std::fma(x[t * k + j], stored(tensors, "dense.weight", o * k + j), sum);
      }
      expected[t * n + o] = sum + stored(tensors, "dense.bias", o);
    }
  }
  CHECK(difference<float>(out.view(), {expected.data(), m, n, n}) == "");
}

TEMPLATE_LIST_TEST_CASE("output thresholds agree with the layer's float output", "[linear]",
                        compiled_archs) {
  need_arch<TestType>();
  random_source random(192);
  CAPTURE(random.seed());
  constexpr std::size_t n = 33, k = 75;
  const tensor_store tensors = layer_tensors<bit_linear>(n, k, random);
  const loaded_layer<bit_linear, TestType> loaded(tensors, n, k);
  const auto predicate = [](float y, std::size_t o) {
    if (o < 2) return y >= (o == 0 ? -1e9F : 1e9F);  // always true, never true
    return y >= 0.1F * static_cast<float>(o);
  };
  lowbit::output_thresholds thresholds;
  lowbit::linear<bit_linear, TestType> layer;  // whose scale and bias are gone afterwards
  const auto load = [&](lowbit::arena& space) {
    REQUIRE(
        thresholds
            .load(space, tensors.weights(), lowbit::tensor_name("dense"), layer, n, k, predicate)
            .ok());
  };
  lowbit::arena measure;
  load(measure);
  CHECK(measure.position() < measure.used());
  const guarded<std::byte> memory(measure.used());
  lowbit::arena space(memory.data(), memory.size());
  load(space);
  std::memset(memory.data() + space.position(), 0xFF, memory.size() - space.position());
  for (std::size_t o = 0; o < n; ++o) {
    const std::int32_t t = thresholds.get().values[o];
    for (std::int32_t count = -75; count <= 75; ++count) {
      CHECK((count >= t) == predicate(loaded.layer.output_of(count, o), o));
    }
  }
}

TEST_CASE("a linear layer names the tensor that does not fit", "[linear]") {
  random_source random(193);
  constexpr std::size_t n = 3, k = 13;
  const guarded<std::byte> memory(1 << 16);
  const auto load = [&]<class Format>(const tensor_store& tensors, Format) {
    lowbit::arena space(memory.data(), memory.size());
    lowbit::linear<Format, lowbit::scalar> layer;
    return layer.load(space, tensors.weights(), lowbit::tensor_name("dense"), n, k);
  };
  tensor_store pad = layer_tensors<bibert_linear>(n, k, random);
  pad.bytes("dense.weight.codes")[3] |= std::byte{0x20};  // row 1, bit 13
  CHECK(load(pad, bibert_linear{}).message() ==
        "tensor dense.weight.codes row 1 has bits set past column 13");
  for (const float bad : {0.0F, -1.0F, std::nanf("")}) {
    tensor_store scale = layer_tensors<bit_linear>(n, k, random);
    std::memcpy(scale.bytes("dense.input.scale").data(), &bad, sizeof bad);
    const auto s = load(scale, bit_linear{});
    CHECK(s.message() == "tensor dense.input.scale is not above 0");
    CHECK(s.code() == lowbit::errc::malformed);
  }
  for (const float bad : {-0.25F, std::nanf("")}) {  // a threshold would look at the wrong side
    tensor_store scale = layer_tensors<bibert_linear>(n, k, random);
    std::memcpy(scale.bytes("dense.weight.scale").data() + 2 * sizeof bad, &bad, sizeof bad);
    const std::string expected = std::string("tensor dense.weight.scale element 2 is ") +
                                 (bad < 0.0F ? "below 0" : "not finite");
    CHECK(load(scale, bibert_linear{}).message() == expected);
  }
  tensor_store type = layer_tensors<bibert_linear>(n, k, random);
  type.descriptor("dense.weight.codes").type = lowbit::element_type::f32;
  CHECK(load(type, bibert_linear{}).message() == "tensor dense.weight.codes is F32, expected U8");
}
