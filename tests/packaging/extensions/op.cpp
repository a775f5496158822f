// SPDX-License-Identifier: Apache-2.0
// A new product, and the encoding that asks for it: linear_format finds it, it equals the reference
// at sizes that fill no word, vector or tile, and an encoder that multiplies by it has the logits
// of one that multiplies the same signs by xor.
#include "lowbit/codec/encode.hpp"
#include "lowbit/gemm/reference.hpp"
#include "lowbit/model/classifier.hpp"
#include "toy_model.hpp"

using namespace toy_test;

using signs = lowbit::sign<lowbit::scale::row, lowbit::center::row>;
using op = lowbit::linear_format<signs, lowbit::activation::toy>::op;
static_assert(std::string_view(op::name) == "toy");

/// Rows of K signs, and the same as bits, 1 for -1.
struct sign_rows {
  std::size_t rows, k;
  std::vector<std::int8_t> values;
  std::vector<lowbit::word> words;

  sign_rows(std::size_t n, std::size_t width, std::uint64_t seed)
      : rows(n), k(width), values(n * width), words(n * lowbit::words_for(width)) {
    lowbit_test::random_source random(seed);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = random.sign();
      if (values[i] < 0)
        words[i / k * lowbit::words_for(k) + i % k / 64] |= lowbit::word{1} << (i % k % 64);
    }
  }
};

template <class Arch>
void check_sizes(std::size_t m, std::size_t n, std::size_t k) {
  const sign_rows a(m, k, 1), w(n, k, 2);
  std::vector<std::int32_t> expected(m * n);
  lowbit::reference_gemm(lowbit::matrix_view<const std::int8_t>{a.values.data(), m, k, k},
                         lowbit::matrix_view<const std::int8_t>{w.values.data(), n, k, k},
                         lowbit::matrix_view<std::int32_t>{expected.data(), m, n, n});
  const std::size_t units = op::units(k), stride = lowbit::round_up(n, lowbit::virtual_lanes);
  const memory space(lowbit::packed_weights<op, Arch>::elements(n, k) * sizeof(lowbit::word));
  const auto packed = lowbit::pack<op, Arch>(
      reinterpret_cast<lowbit::word*>(space.data()), n, k,
      [&](std::size_t row, std::size_t u) { return w.words[row * units + u]; });
  std::vector<std::int32_t> out(m * stride);
  lowbit::serial executor;
  lowbit::gemm<op, Arch>({{a.words.data(), m, units, units}, k}, packed,
                         lowbit::store_integers{{out.data(), m, n, stride}}, executor);
  for (std::size_t i = 0; i < m * n; ++i) {
    if (out[i / n * stride + i % n] == expected[i]) continue;
    std::printf("M %zu N %zu K %zu at %zu: %d, expected %d\n", m, n, k, i,
                out[i / n * stride + i % n], expected[i]);
    std::exit(1);
  }
}
template <class Arch>
void check_product() {
  if constexpr (Arch::compiled && !Arch::bytes_only) {
    for (const std::size_t k : {1U, 63U, 64U, 65U, 200U}) {
      for (const std::size_t n : {1U, 17U, 33U, 67U}) {
        for (const std::size_t m : {1U, 3U, 9U}) check_sizes<Arch>(m, n, k);
      }
    }
  }
}
template <class... Archs>
void check_products(lowbit::arch_list<Archs...>) {
  (check_product<Archs>(), ...);
}

/// One-bit weights, the inputs of the feed-forward layers encoded as Activation.
template <class Activation>
struct one_bit_middle : lowbit::policy::fp32 {
  static constexpr const char* name = "one-bit middle";
  using feed_forward_input = lowbit::linear_format<signs, Activation>;
  using feed_forward_output = feed_forward_input;
  using hidden_act = lowbit::gelu_erf;
};

int main() {
  check_products(lowbit::all_archs{});

  const lowbit::model_shape s = shape();
  lowbit_test::tensor_store floats = float_model();
  lowbit_test::tensor_store encoded = float_model();
  for (const char* part : {"intermediate", "output"}) {
    const std::string name = std::string("bert.encoder.layer.0.") + part + ".dense.weight";
    const lowbit::stored_tensor& t = floats.descriptor(name);
    std::vector<float> values(t.elements());
    std::memcpy(values.data(), t.data, t.bytes());
    auto matrix = lowbit::encode(signs{}, lowbit::matrix_view<const float>{
                                              values.data(), t.shape[0], t.shape[1], t.shape[1]});
    need(matrix.status());
    for (auto& part_of : matrix->tensors)
      encoded.add(name + part_of.suffix, part_of.shape, part_of.type, std::move(part_of.bytes));
  }
  const auto logits = [&]<class Activation>(Activation) {
    return logits_of<lowbit::classifier<one_bit_middle<Activation>>>(encoded.weights(), s);
  };
  TOY_CHECK(logits(lowbit::activation::toy{}) == logits(lowbit::activation::sign{}));
}
