// SPDX-License-Identifier: Apache-2.0
// Rotary positions (Su et al., 2021, RoFormer): columns j and j + d/2 of every head of q and k are
// turned by the angle position * theta^(-2j/d). Angles are floats as in Hugging Face's code: the
// frequency is rounded, then the product. Frequencies come from integers, sines and cosines from
// fixed fma polynomials, so no libm is involved and every machine has the same bits
// (docs/numerics.md#rotary-positions).
#pragma once

#include <bit>

#include "lowbit/epilogue/activation.hpp"
#include "lowbit/nn/attention.hpp"

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// The upper half of a 128-bit product.
[[nodiscard]] constexpr std::uint64_t multiply_high(std::uint64_t a, std::uint64_t b) {
  constexpr std::uint64_t low = 0xFFFFFFFFU;
  const std::uint64_t first = (a >> 32U) * (b & low) + ((a & low) * (b & low) >> 32U);
  const std::uint64_t second = (a & low) * (b >> 32U) + (first & low);
  return (a >> 32U) * (b >> 32U) + (first >> 32U) + (second >> 32U);
}

/// log2(x) in units of 2^-40, for x >= 1.
[[nodiscard]] constexpr std::uint64_t fixed_log2(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  std::uint64_t log = (bits >> 23U) - 127;
  std::uint64_t m = std::uint64_t{(bits & 0x7FFFFFU) | 0x800000U} << 40U;  // 2^63 is 1
  for (int i = 0; i < 40; ++i) {
    m = multiply_high(m, m);  // 2^62 is 1: the square is in [1, 4)
    const bool two = (m >> 63U) != 0;
    log = log << 1U | std::uint64_t{two};
    if (!two) m <<= 1U;
  }
  return log;
}

/// 2^-y, y in units of 2^-40, rounded to a float.
[[nodiscard]] constexpr float fixed_exp2(std::uint64_t y) {
  constexpr std::uint64_t ln2 = 0xB17217F7D1CF79ABU;  // in units of 2^-64
  constexpr std::uint64_t one = std::uint64_t{1} << 63U;
  const std::uint64_t t = multiply_high(y << 24U, ln2);  // of the fraction of y
  std::uint64_t sum = one;                               // e^-t = 1 - t (1 - t/2 (1 - t/3 (..)))
  for (std::uint64_t n = 20; n > 0; --n) sum = one - multiply_high(t, sum) / n;
  auto value = static_cast<float>(sum) * 0x1p-63F;
  for (std::uint64_t n = y >> 40U; n > 0; --n) value *= 0.5F;
  return value;
}

/// theta^(-2j/d), within half a unit in the last place and 2^-35.
/// Requires: theta in 1 .. 10^12, 2j < d <= 2^16
[[nodiscard]] constexpr float rotary_frequency(float theta, std::size_t j, std::size_t d) {
  return fixed_exp2(fixed_log2(theta) * (2 * std::uint64_t{j}) / d);
}

}  // namespace detail

template <class Arch>
struct sine_and_cosine {
  f32x16<Arch> sine, cosine;
};

/// sin(x) and cos(x) for |x| <= 2^20, absolute error below 2e-7. x = n pi + r with |r| <= pi / 2.
template <class Arch>
LOWBIT_INLINE sine_and_cosine<Arch> sine_cosine(f32x16<Arch> x) {
  using f = f32x16<Arch>;
  const f shifter = f::broadcast(12582912.0F);  // 1.5 * 2^23, see exp()
  const f one = f::broadcast(1.0F);
  const f n = fma(x, f::broadcast(0.318309886F), shifter) - shifter;
  f r = fma(n, f::broadcast(-3.14159274F), x);  // exact
  r = fma(n, f::broadcast(8.74227766e-8F), r);  // what pi lacks of it
  const f s = r * r;
  constexpr float sine[] = {-0.166666672F, 0.00833333284F, -0.000198410853F, 2.75364118e-06F,
                            -2.40788847e-08F};
  constexpr float cosine[] = {-0.5F,           0.0416666679F,    -0.00138888869F,
                              2.48012966e-05F, -2.75344036e-07F, 2.0044475e-09F};
  // (-1)^n: half of an odd n is a tie, so it is one away from twice its rounded half.
  const f odd = fma(fma(n, f::broadcast(0.5F), shifter) - shifter, f::broadcast(-2.0F), n);
  const f sign = fma(odd * odd, f::broadcast(-2.0F), one);
  return {sign * fma(s * r, detail::polynomial(s, sine), r),
          sign * fma(s, detail::polynomial(s, cosine), one)};
}

template <class Arch>
class rotary_positions {
 public:
  constexpr void load(arena& memory, const model_shape& shape, std::size_t layer) {
    heads_ = shape.heads;
    frequency_ = memory.take_vector<float>(shape.head_width() / 2);
    if (!memory.fills()) return;
    const float theta = shape.is_local(layer) ? shape.local_theta : shape.global_theta;
    for (std::size_t j = 0; j < frequency_.count; ++j)
      frequency_[j] = detail::rotary_frequency(theta, j, shape.head_width());
  }

  /// Turns rows of k (T, inner) and q, in place. The queries of first tokens, at position 0, stay.
  template <executor Executor>
  void run(matrix_view<float> q, matrix_view<float> k, const query_blocks& blocks,
           Executor& executor) const {
    const query_blocks all{blocks.batch, false};
    executor.run(all.tasks(), [&](std::size_t task, std::size_t) {
      const query_span span = all.span(task);
      const std::size_t begin = blocks.batch.begin(span.sentence);
      for (std::size_t t = span.first; t < span.first + span.count; ++t)
        turn(k.row(t), blocks.first_token_only ? nullptr : q.row(t), t - begin);
    });
  }

 private:
  /// LOWBIT_NOINLINE: one copy for all executors.
  LOWBIT_NOINLINE void turn(float* k, float* q, std::size_t position) const {
    using f = f32x16<Arch>;
    const std::size_t half = frequency_.count;
    const f at = f::broadcast(static_cast<float>(position));
    for_each_column(half, [&](auto c) {
      const auto angle = sine_cosine(at * load_channels<Arch>(frequency_, c));
      for (float* row : {k, q}) {
        if (row == nullptr) continue;
        for (std::size_t head = 0; head < heads_; ++head) {
          float* const low = row + head * 2 * half;
          float* const high = low + half;
          const f a = load_row<Arch>(low, c, half);
          const f b = load_row<Arch>(high, c, half);
          const f zero = f::broadcast(0.0F);
          store{{low, 1, half, half}}(fma(zero - b, angle.sine, a * angle.cosine), 0, c);
          store{{high, 1, half, half}}(fma(a, angle.sine, b * angle.cosine), 0, c);
        }
      }
    });
  }

  std::size_t heads_ = 0;
  vector_view<float> frequency_;  // (d / 2)
};

}  // namespace lowbit::inline LOWBIT_ISA
