// SPDX-License-Identifier: Apache-2.0
// Layer norm in integers (I-BERT, section 3.6): 22-bit sums in, int8 codes out. The variance is a
// 64-bit sum, so no calibrated shift is needed, and it is normalised before the integer square
// root, so the root and its reciprocal have 30 bits for every row.
//
// Bit widths for |x| < 2^21 and D <= 2^16 columns: the sum has 37; y = x - mean has 22; V = sum y^2
// is at most D 2^42 = 2^58, and eps at most as much: V < 2^60. V 4^j is in [2^58, 2^60), the root
// in [2^29, 2^30), and factor = 2^60 / root has 31; y * factor has 53; t = y / root(V) 2^30 has 31;
// gamma is a dyadic ratio to 1/256 of an output step, at most 2^29, and so is beta: their sum fits
// in 31.
#pragma once

#include "lowbit/nn/integer/requantize.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// floor(sqrt(n)), n < 2^62: Newton's iteration from above (I-BERT, algorithm 4).
[[nodiscard]] constexpr std::uint32_t integer_sqrt(std::uint64_t n) {
  if (n == 0) return 0;
  std::uint64_t x = std::uint64_t{1} << ((std::bit_width(n) + 1) / 2);  // at least the root
  for (;;) {
    const std::uint64_t next = (x + n / x) / 2;
    if (next >= x) return static_cast<std::uint32_t>(x);
    x = next;
  }
}

/// out = (x - mean) / sqrt(variance + eps) * gamma + beta; biased variance, eps inside the root.
template <class Arch>
class integer_layer_norm {
 public:
  /// input_scale: of the sums; output_scale: of the codes.
  status load(arena& memory, const weight_set& weights, const tensor_name& name, std::size_t cols,
              float eps, double input_scale, double output_scale) {
    cols_ = cols;
    gamma_.plan(memory, cols);
    beta_ = memory.take_vector<std::int32_t>(round_up(cols, virtual_lanes));
    if (memory.measuring()) return {};
    stored_tensor gamma, beta;
    LOWBIT_TRY(weights.get(name(".weight").view(), element_type::f32, 1, cols, gamma));
    LOWBIT_TRY(weights.get(name(".bias").view(), element_type::f32, 1, cols, beta));
    LOWBIT_TRY(detail::check_floats(gamma, cols));
    LOWBIT_TRY(detail::check_floats(beta, cols));
    for (std::size_t c = 0; c < beta_.count; ++c) beta_[c] = 0;
    const auto count = static_cast<double>(cols);
    const double step = output_scale / fraction;
    const double root = static_cast<double>(__builtin_sqrtf(static_cast<float>(cols)));
    for (std::size_t c = 0; c < cols; ++c) {
      const double ratio = static_cast<double>(gamma.at(c)) * root / (step * 0x1p30);
      dyadic d;
      LOWBIT_TRY(dyadic::from(ratio, name.view(), d));
      gamma_.set(c, d);
      beta_[c] = nearest_integer(static_cast<double>(beta.at(c)) / step, 0x1p29);
    }
    const double scaled = count * static_cast<double>(eps) / (input_scale * input_scale);
    eps_ = static_cast<std::uint64_t>(scaled < 0x1p58 ? scaled : 0x1p58);
    return {};
  }

  /// Normalises one row of sums x (D), zero-padded to a multiple of 16 columns, to codes and their
  /// sum in row `row` of `out`.
  template <class Format>
  void run_row(const std::int32_t* x, const encoded_rows<Format>& out, std::size_t row) const {
    using i = i32x16<Arch>;
    const std::size_t padded = round_up(cols_, virtual_lanes);
    const i one = i::broadcast(1);
    wide_sum<Arch> sum;
    for (std::size_t c = 0; c < padded; c += virtual_lanes) sum.add_products(i::load(x + c), one);
    const std::int64_t mean = rounded_mean(sum.total(), static_cast<std::int64_t>(cols_));
    const i center = i::broadcast(static_cast<std::int32_t>(mean));
    wide_sum<Arch> squares;
    for (std::size_t c = 0; c < padded; c += virtual_lanes) {
      const i y = i::load(x + c) - center;
      squares.add_products(y, y);
    }
    const std::int64_t pads = static_cast<std::int64_t>(padded - cols_) * mean * mean;
    const dyadic_lanes<Arch> normal(
        reciprocal_root(static_cast<std::uint64_t>(squares.total() - pads) + eps_));
    const store_codes sink{code_bytes(out)};
    i codes = i::broadcast(0);
    for (std::size_t c = 0; c < padded; c += virtual_lanes) {
      const i t = normal.apply(i::load(x + c) - center);
      const i v = gamma_.at<Arch>(c).apply(t) + i::load(beta_.data + c);
      const i code = clamp(shift_right<fraction_bits>(v + i::broadcast(1 << (fraction_bits - 1))),
                           i::broadcast(store_codes::limit));
      codes = codes + code;
      sink(code, row, whole_column{c});
    }
    out.counts[row] = reduce_add(codes);
  }

  template <class Format, executor Executor>
  void run(matrix_view<const std::int32_t> x, const encoded_rows<Format>& out,
           Executor& executor) const {
    constexpr std::size_t rows_per_task = 16;
    executor.run(ceil_div(x.rows, rows_per_task), [&](std::size_t task, std::size_t) {
      const std::size_t begin = task * rows_per_task;
      const std::size_t end = begin + rows_per_task < x.rows ? begin + rows_per_task : x.rows;
      for (std::size_t r = begin; r < end; ++r) run_row(x.row(r), out, r);
    });
  }

 private:
  static constexpr int fraction_bits = 8;
  static constexpr double fraction = 1 << fraction_bits;

  static constexpr std::int64_t rounded_mean(std::int64_t sum, std::int64_t count) {
    const std::int64_t up = 2 * sum + count;  // floor((2 sum + count) / (2 count))
    const std::int64_t quotient = up / (2 * count);
    return up % (2 * count) < 0 ? quotient - 1 : quotient;
  }
  /// Multiplier y -> y / sqrt(v) 2^30; 0 for v = 0, where every y is 0.
  static constexpr dyadic reciprocal_root(std::uint64_t v) {
    if (v == 0) return {};
    const int zeros = std::countl_zero(v) - 4;
    const int j = zeros / 2;
    const std::uint64_t factor = (std::uint64_t{1} << 60) / integer_sqrt(v << (2 * j));
    return {factor > INT32_MAX ? INT32_MAX : static_cast<std::int32_t>(factor), 30 - j, INT32_MAX};
  }

  std::size_t cols_ = 0;
  channel_dyadics gamma_;           // from t to 1/256 of an output step
  vector_view<std::int32_t> beta_;  // in 1/256 of an output step
  std::uint64_t eps_ = 0;           // D eps, in units of the squared input scale
};

}  // namespace lowbit::inline LOWBIT_ISA
