// SPDX-License-Identifier: Apache-2.0
// A bare one-bit matrix product with a composed epilogue: y = relu(scale * (a w^T) + bias), with a
// and w in {-1, 1}. No model, no files; the encoder uses the same calls.
#include <algorithm>
#include <cstdio>
#include <lowbit/lowbit.hpp>
#include <vector>

int main() {
  constexpr std::size_t m = 2;    // tokens
  constexpr std::size_t n = 3;    // outputs
  constexpr std::size_t k = 100;  // inputs: any size, pad bits stay 0
  using op = lowbit::xor_popcount;
  constexpr std::size_t words = op::units(k);

  // Bit 1 means -1. Token 0 is all +1, token 1 all -1; the first 10 o weights of output o are -1.
  std::vector<lowbit::word> a(m * words);
  for (std::size_t j = 0; j < k; ++j) a[words + j / 64] |= lowbit::word{1} << (j % 64);
  const auto weight_word = [&](std::size_t o, std::size_t u) {
    lowbit::word w = 0;
    for (std::size_t j = u * 64; j < std::min(k, (u + 1) * 64); ++j) {
      if (j < 10 * o) w |= lowbit::word{1} << (j % 64);
    }
    return w;
  };
  using packed = lowbit::packed_weights<op, lowbit::native>;
  const lowbit::aligned_buffer memory(packed::elements(n, k) * sizeof(lowbit::word));
  const packed w = lowbit::pack<op, lowbit::native>(reinterpret_cast<lowbit::word*>(memory.data()),
                                                    n, k, weight_word);

  const float scale[n] = {0.5F, 0.5F, 0.5F};
  const float bias[n] = {1.0F, 1.0F, 1.0F};
  float y[m * n];
  const lowbit::matrix_view<float> out{y, m, n, n};
  const auto epilogue = lowbit::to_float{} | lowbit::affine{{scale, n}, {bias, n}} |
                        lowbit::activate<lowbit::relu>{} | lowbit::store{out};
  lowbit::serial executor;
  lowbit::gemm<op, lowbit::native>({{a.data(), m, words, words}, k, nullptr}, w, epilogue,
                                   executor);

  bool right = true;
  for (std::size_t o = 0; o < n; ++o) {
    const float dot = static_cast<float>(k) - 20.0F * static_cast<float>(o);
    right = right && out(0, o) == std::max(0.5F * dot + 1.0F, 0.0F) &&
            out(1, o) == std::max(-0.5F * dot + 1.0F, 0.0F);
    std::printf("output %zu: token 0 %6.1f, token 1 %6.1f\n", o, static_cast<double>(out(0, o)),
                static_cast<double>(out(1, o)));
  }
  return right ? 0 : 1;
}
