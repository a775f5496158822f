// SPDX-License-Identifier: Apache-2.0
// Scales by float sums in order, ternary codes next to their threshold, and pairs of one-bit
// matrices.
#include "lowbit/codec/running_mean.hpp"

#include <catch2/catch_test_macros.hpp>

#include "../support/random.hpp"
#include "../support/weights.hpp"
#include "lowbit/codec/sign_pair.hpp"

namespace {

using namespace lowbit_test;
using lowbit::matrix_view;
using whole_sign = lowbit::sign<lowbit::scale::tensor, lowbit::center::none>;
using row_sign = lowbit::sign<lowbit::scale::row, lowbit::center::none>;

template <class Codec>
void store(tensor_store& tensors, const std::string& weight, matrix_view<const float> w) {
  const auto encoded = lowbit::encode_with_running_mean(Codec{}, w).value();
  for (const lowbit::encoded_tensor& t : encoded.tensors) {
    if (t.type == lowbit::element_type::f32) {
      std::vector<float> values(t.bytes.size() / sizeof(float));
      std::memcpy(values.data(), t.bytes.data(), t.bytes.size());
      tensors.add(weight + t.suffix, t.shape, values);
    } else {
      tensors.add_codes(weight + t.suffix, t.shape[0], t.shape[1], t.bytes);
    }
  }
}

}  // namespace

TEST_CASE("a running mean keeps the rounding of a float sum", "[codec]") {
  // 2^24 + 1 + 1 + ..: ones added to a float of 2^24 are lost, a true mean counts them.
  std::vector<float> w(9, 1.0F);
  w[0] = -16777216.0F;
  CHECK(lowbit::running_mean_magnitude({w.data(), 1, 9, 9}) == 16777216.0F / 9.0F);
  std::vector<float> many(lowbit::running_mean_limit + 1, 1.0F);
  many[0] = 16777216.0F;
  const double mean =
      (16777216.0 + static_cast<double>(many.size() - 1)) / static_cast<double>(many.size());
  CHECK(lowbit::running_mean_magnitude({many.data(), 1, many.size(), many.size()}) ==
        static_cast<float>(mean));
  CHECK(lowbit::running_mean_magnitude({nullptr, 0, 0, 0}) == 0.0F);
}

TEST_CASE("ternary codes are those above 0.7 of the running mean", "[codec]") {
  for (const std::size_t k : {1U, 3U, 26U, 75U}) {
    random_source random(k);
    const auto w = random.floats(7 * k, 0.0F, 1.0F);
    tensor_store tensors;
    store<lowbit::ternary<lowbit::scale::row>>(tensors, "m.weight", {w.data(), 7, k, k});
    lowbit::ternary<lowbit::scale::row>::reader stored;
    REQUIRE(stored.open(tensors.weights(), lowbit::tensor_name("m.weight"), 7, k).ok());
    std::vector<std::int8_t> integers(k);
    for (std::size_t r = 0; r < 7; ++r) {
      float sum = 0;
      for (std::size_t j = 0; j < k; ++j) sum += std::abs(w[r * k + j]);
      const float threshold = 0.7F * (sum / static_cast<float>(k));
      double above = 0;
      double count = 0;
      stored.integers(r, integers.data());
      for (std::size_t j = 0; j < k; ++j) {
        const float v = w[r * k + j];
        const int expected = v > threshold ? 1 : v < -threshold ? -1 : 0;
        CHECK(integers[j] == expected);
        if (expected != 0) above += std::abs(static_cast<double>(v));
        if (expected != 0) count += 1;
      }
      CHECK(std::abs(static_cast<double>(stored.scale(r)) - above / count) < 1e-7);
    }
  }
}

TEST_CASE("a matrix of zeros has scale 0 and no NaN", "[codec]") {
  const std::vector<float> w(10, 0.0F);
  tensor_store tensors;
  store<lowbit::ternary<lowbit::scale::tensor>>(tensors, "t.weight", {w.data(), 2, 5, 5});
  store<whole_sign>(tensors, "s.weight", {w.data(), 2, 5, 5});
  CHECK(tensors.weights().find("t.weight.scale")->at(0) == 0.0F);
  CHECK(tensors.weights().find("s.weight.scale")->at(0) == 0.0F);
}

TEST_CASE("a pair of one-bit matrices decodes to the sum of both", "[codec]") {
  for (const std::size_t k : {1U, 15U, 64U, 75U}) {
    random_source random(900 + k);
    const auto a = random.floats(4 * k, 0.0F, 1.0F);
    const auto b = random.floats(4 * k, 0.0F, 1.0F);
    tensor_store tensors;
    store<row_sign>(tensors, "words_1.weight", {a.data(), 4, k, k});
    store<row_sign>(tensors, "words_2.weight", {b.data(), 4, k, k});
    lowbit::sign_pair<lowbit::scale::row>::reader pair;
    REQUIRE(pair.open(tensors.weights(), lowbit::tensor_name("words.weight"), 4, k).ok());
    std::vector<float> row(k);
    for (std::size_t r = 0; r < 4; ++r) {
      pair.floats(r, row.data());
      const float s = lowbit::running_mean_magnitude({a.data() + r * k, 1, k, k});
      const float t = lowbit::running_mean_magnitude({b.data() + r * k, 1, k, k});
      for (std::size_t j = 0; j < k; ++j) {
        const float first = a[r * k + j] < 0 ? -s : s;
        CHECK(row[j] == first + (b[r * k + j] < 0 ? -t : t));
      }
    }
    tensors.remove("words_2.weight.codes");
    const auto missing = pair.open(tensors.weights(), lowbit::tensor_name("words.weight"), 4, k);
    CHECK(missing.message() == "tensor words_2.weight.codes is missing");
  }
}
