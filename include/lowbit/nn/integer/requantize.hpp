// SPDX-License-Identifier: Apache-2.0
// Requantization by dyadic numbers: v * ratio as (v * m + half) >> shift with a 31-bit m and a
// 64-bit product, with one ratio per tensor or per output channel. Ratios become integers when a
// model is loaded; nothing here is float at run time.
//
// Bit widths, for every stage of an integer layer: an accumulator has at most 32 bits and is first
// clamped to `limit`, beyond which the result would exceed 2^29; a product has at most 31 + 31 = 62
// bits, and the rounding term adds less than 2^61: every intermediate fits in 63 bits. Sums of two
// results fit in 31.
#pragma once

#include <bit>

#include "lowbit/arch/integer_lanes.hpp"
#include "lowbit/nn/encoded.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// ratio ~ multiplier * 2^-shift, relative error below 2^-30. I-BERT, section 3.1 (dyadic
/// arithmetic of HAWQ-V3).
struct dyadic {
  std::int32_t multiplier = 0;  // 0, or 2^30 <= |m| < 2^31
  std::int32_t shift = 1;       // 1..62
  std::int32_t limit = 0;       // inputs within it give results of at most 2^29 + 1

  /// Errors: unsupported, naming `what`, if the ratio is NaN or at least 2^29
  static constexpr status from(double ratio, std::string_view what, dyadic& out) {
    const auto bits = std::bit_cast<std::uint64_t>(ratio);
    const bool negative = (bits >> 63) != 0;
    std::int64_t exponent = static_cast<std::int64_t>((bits >> 52) & 0x7FFU) - 1023;
    const std::uint64_t mantissa = (bits & ((std::uint64_t{1} << 52) - 1)) | std::uint64_t{1} << 52;
    std::uint64_t m = (mantissa + (std::uint64_t{1} << 21)) >> 22;
    if (m >> 31 != 0) {
      m >>= 1;
      ++exponent;
    }
    if (exponent >= 29) {
      return status::error(errc::unsupported, "the ratio of the scales of ", what,
                           " is not below 2^29: no integer layer can rescale by it");
    }
    out = {};
    if (exponent < -32) return {};  // less than half a step for any 32-bit input
    out.multiplier = static_cast<std::int32_t>(m) * (negative ? -1 : 1);
    out.shift = static_cast<std::int32_t>(30 - exponent);
    out.limit = INT32_MAX;
    if (exponent >= -3) {
      const std::uint64_t largest = (std::uint64_t{1} << (29 + out.shift)) / m;
      if (largest < INT32_MAX) out.limit = static_cast<std::int32_t>(largest);
    }
    return {};
  }

  /// The definition, for a single value.
  [[nodiscard]] constexpr std::int32_t apply(std::int32_t v) const {
    const std::int64_t low = v < -limit ? -limit : v;
    const std::int64_t in = low > limit ? limit : low;
    const std::int64_t half = std::int64_t{1} << (shift - 1);
    return static_cast<std::int32_t>((in * multiplier + half) >> shift);
  }
};

/// One dyadic number per lane.
template <class Arch>
struct dyadic_lanes {
  using i = i32x16<Arch>;
  i multiplier, shift, limit;
  LOWBIT_INLINE dyadic_lanes(i m, i s, i l) : multiplier(m), shift(s), limit(l) {}
  LOWBIT_INLINE explicit dyadic_lanes(const dyadic& d)
      : multiplier(i::broadcast(d.multiplier)),
        shift(i::broadcast(d.shift)),
        limit(i::broadcast(d.limit)) {}
  [[nodiscard]] LOWBIT_INLINE i apply(i v) const {
    if constexpr (is_lane_by_lane<Arch>) {
      return each_lane(v, [&](std::int32_t x, std::size_t n) {
        return dyadic{multiplier.part[n], shift.part[n], limit.part[n]}.apply(x);
      });
    } else {
      return multiply_shift(clamp(v, limit), multiplier, shift);
    }
  }
};

/// One dyadic number per output channel. Channels up to the next multiple of 16 are 0, so lanes
/// past the last output become 0 whatever a kernel left there.
struct channel_dyadics {
  vector_view<std::int32_t> multiplier, shift, limit;  // (N rounded up to 16)

  constexpr void plan(arena& memory, std::size_t n) {
    const std::size_t padded = round_up(n, virtual_lanes);
    for (auto* v : {&multiplier, &shift, &limit}) *v = memory.take_vector<std::int32_t>(padded);
    if (!memory.fills()) return;
    for (std::size_t c = 0; c < padded; ++c) set(c, {});
  }
  void set(std::size_t c, const dyadic& d) const {
    multiplier[c] = d.multiplier;
    shift[c] = d.shift;
    limit[c] = d.limit;
  }
  template <class Arch, class Column>
  [[nodiscard]] LOWBIT_INLINE dyadic_lanes<Arch> at(Column col) const {
    return {i32x16<Arch>::load(multiplier.data + col), i32x16<Arch>::load(shift.data + col),
            i32x16<Arch>::load(limit.data + col)};
  }
};

/// Stage: v + bias[col]. The vector is padded to groups of 16.
struct add_integers : epilogue_stage {
  vector_view<const std::int32_t> bias;
  constexpr explicit add_integers(vector_view<const std::int32_t> biases) : bias(biases) {}
  template <class Arch, class Column>
  LOWBIT_INLINE i32x16<Arch> operator()(i32x16<Arch> v, std::size_t, Column col) const {
    return v + load_channels<Arch>(bias, col);
  }
};
/// Stage: v requantized per channel.
struct requantize_channels : epilogue_stage {
  channel_dyadics ratio;
  constexpr explicit requantize_channels(const channel_dyadics& ratios) : ratio(ratios) {}
  template <class Arch, class Column>
  LOWBIT_INLINE i32x16<Arch> operator()(i32x16<Arch> v, std::size_t, Column col) const {
    return ratio.at<Arch>(col).apply(v);
  }
};
/// Stage: v requantized with one ratio for all outputs.
struct requantize : epilogue_stage {
  dyadic ratio;
  constexpr explicit requantize(const dyadic& r) : ratio(r) {}
  template <class Arch>
  LOWBIT_INLINE i32x16<Arch> operator()(i32x16<Arch> v, std::size_t, std::size_t) const {
    return dyadic_lanes<Arch>(ratio).apply(v);
  }
};
/// Stage: Function(v), for the functions of gelu.hpp.
template <class Function>
struct activate_integers : epilogue_stage {
  template <class Arch>
  LOWBIT_INLINE i32x16<Arch> operator()(i32x16<Arch> v, std::size_t, std::size_t) const {
    return Function::apply(v);
  }
};
/// Stage: v + requantized codes(row, col), clamped to 22 bits: the residual sum before a layer
/// norm.
struct add_residual_codes : epilogue_stage {
  static constexpr std::int32_t limit = (1 << 21) - 1;
  matrix_view<const std::int8_t> codes;  // rows padded to groups of 16
  dyadic ratio;
  constexpr add_residual_codes(matrix_view<const std::int8_t> rows, const dyadic& r)
      : codes(rows), ratio(r) {}
  template <class Arch>
  LOWBIT_INLINE i32x16<Arch> operator()(i32x16<Arch> v, std::size_t row, std::size_t col) const {
    const auto residual = load_bytes<Arch>(codes.row(row) + col);
    return clamp(v + dyadic_lanes<Arch>(ratio).apply(residual), i32x16<Arch>::broadcast(limit));
  }
};
/// Sink: int8 codes, -127..127, for columns below out.cols.
struct store_codes : epilogue_stage {
  static constexpr std::int32_t limit = 127;
  matrix_view<std::int8_t> out;
  constexpr explicit store_codes(matrix_view<std::int8_t> rows) : out(rows) {}
  template <class Arch, class Column>
  LOWBIT_INLINE void operator()(i32x16<Arch> v, std::size_t row, Column col) const {
    const auto code = clamp(v, i32x16<Arch>::broadcast(limit));
    const std::size_t count = lanes_at(col, out.cols);
    if (count == virtual_lanes) {
      code.store_low_bytes(out.row(row) + col);
    } else {
      std::int8_t bytes[virtual_lanes];
      code.store_low_bytes(bytes);
      std::memcpy(out.row(row) + col, bytes, count);
    }
  }
};

/// Encoded rows as bytes, padded to groups of 16 columns.
template <class Format>
[[nodiscard]] matrix_view<std::int8_t> code_bytes(const encoded_rows<Format>& codes) {
  return {reinterpret_cast<std::int8_t*>(codes.rows.data), codes.rows.rows,
          round_up(codes.k, virtual_lanes), codes.rows.stride * sizeof(quad)};
}

/// Computes the code sums that products need, for rows 0 .. count - 1 with clear pad codes.
template <class Arch, class Format, executor Executor>
void count_codes(const encoded_rows<Format>& codes, std::size_t count, Executor& executor) {
  constexpr std::size_t rows_per_task = 64;
  const matrix_view<std::int8_t> bytes = code_bytes(codes);
  executor.run(ceil_div(count, rows_per_task), [&](std::size_t task, std::size_t) {
    const std::size_t begin = task * rows_per_task;
    const std::size_t end = begin + rows_per_task < count ? begin + rows_per_task : count;
    for (std::size_t r = begin; r < end; ++r) {
      auto sum = i32x16<Arch>::broadcast(0);
      for (std::size_t c = 0; c < bytes.cols; c += virtual_lanes)
        sum = sum + load_bytes<Arch>(bytes.row(r) + c);
      codes.counts[r] = reduce_add(sum);
    }
  });
}

/// Reads the F32 scale of a site.
/// Errors: not_found, shape_mismatch; malformed if it is not above 0
inline status read_scale(const weight_set& weights, const tensor_name& name, double& scale) {
  stored_tensor t;
  LOWBIT_TRY(weights.get(name.view(), element_type::f32, 1, 1, t));
  LOWBIT_TRY(detail::check_floats(t, 1));
  scale = static_cast<double>(t.at(0));
  if (scale > 0.0) return {};
  return status::error(errc::malformed, "tensor ", name.view(), " is not above 0");
}

/// Rounds to the nearest integer, ties away from 0, clamped to [-limit, limit].
[[nodiscard]] constexpr std::int32_t nearest_integer(double x, double limit) {
  if (x >= limit) return static_cast<std::int32_t>(limit);
  if (x <= -limit) return -static_cast<std::int32_t>(limit);
  return static_cast<std::int32_t>(x < 0.0 ? x - 0.5 : x + 0.5);
}

}  // namespace lowbit::inline LOWBIT_ISA
