// SPDX-License-Identifier: Apache-2.0
// bf16 and f16 as storage formats: half the bytes of f32; products use floats. Conversions use
// integer arithmetic, so no compiler, library or rounding mode changes a bit. A weight that would
// round to infinity is an error.
#pragma once

#include "lowbit/codec/codec.hpp"
#include "lowbit/codec/encoded_matrix.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Rounds to nearest, ties to even; overflows to infinity.
[[nodiscard]] constexpr std::uint16_t float_to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
}

/// Rounds to nearest, ties to even; overflows to infinity.
[[nodiscard]] constexpr std::uint16_t float_to_f16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  // Rounds by integer arithmetic on the significand. A subnormal half keeps the bits of weight
  // 2^-24 and above.
  const std::uint32_t exponent = magnitude >> 23;
  std::uint32_t kept = 0;
  if (exponent >= 113) {  // normal, at least 2^-14
    if (magnitude >= 0x47800000U) return static_cast<std::uint16_t>(sign | 0x7C00U);  // 2^16
    const std::uint32_t rebased = magnitude - (112U << 23);
    kept = (rebased + 0xFFFU + ((rebased >> 13) & 1U)) >> 13;
  } else if (exponent >= 102) {  // at least 2^-25; anything smaller rounds to zero
    const std::uint32_t significand = (magnitude & 0x7FFFFFU) | 0x800000U;
    const std::uint32_t drop = 126 - exponent;  // 14..24
    const std::uint32_t half = 1U << (drop - 1);
    kept = (significand + half - 1 + ((significand >> drop) & 1U)) >> drop;
  }
  return static_cast<std::uint16_t>(sign | kept);
}

namespace detail {

/// Reader shared by bf16 and f16. Format has `type`, `decode`, `encode`, `infinity`, `largest`.
template <class Format>
class half_reader {
 public:
  status open(const weight_set& weights, const tensor_name& name, std::size_t n, std::size_t k) {
    k_ = k;
    LOWBIT_TRY(weights.get(name.view(), Format::type, n, k, values_));
    for (std::size_t i = 0; i < n * k; ++i) {
      if ((values_.read<std::uint16_t>(i) & Format::infinity) == Format::infinity) {
        return status::error(errc::malformed, "tensor ", values_.name, " element ", i,
                             " is not finite");
      }
    }
    return {};
  }
  void codes(std::size_t row, std::uint16_t* out) const {  // (K) the bits
    for (std::size_t j = 0; j < k_; ++j) out[j] = values_.read<std::uint16_t>(row * k_ + j);
  }
  static void values(code_values& out) {
    out.bits = 16;
    out.half = Format::type == element_type::f16;
  }
  void floats(std::size_t row, float* out) const {  // (K)
    for (std::size_t j = 0; j < k_; ++j) {
      out[j] = Format::decode(values_.read<std::uint16_t>(row * k_ + j));
    }
  }

 private:
  stored_tensor values_;
  std::size_t k_ = 0;
};

struct half_format {
  static constexpr double bits_per_weight = 16;
  static constexpr std::size_t kernel_bits = 16;
  static constexpr std::size_t row_bytes(std::size_t k) { return k * sizeof(std::uint16_t); }
};

}  // namespace detail

/// bfloat16: tensor NAME, BF16 (N, K).
struct bf16 : detail::half_format {
  static constexpr const char* name = "bf16";
  static constexpr element_type type = element_type::bf16;
  static constexpr std::uint16_t infinity = 0x7F80;  // every exponent bit
  static constexpr std::uint16_t largest = 0x7F7F;
  static constexpr float decode(std::uint16_t bits) { return bf16_to_float(bits); }
  static constexpr std::uint16_t encode(float value) { return float_to_bf16(value); }
  using reader = detail::half_reader<bf16>;
};

/// IEEE half precision: tensor NAME, F16 (N, K). Magnitudes up to 65504; reduced precision below
/// 2^-14.
struct f16 : detail::half_format {
  static constexpr const char* name = "f16";
  static constexpr element_type type = element_type::f16;
  static constexpr std::uint16_t infinity = 0x7C00;
  static constexpr std::uint16_t largest = 0x7BFF;
  static constexpr float decode(std::uint16_t bits) { return f16_to_float(bits); }
  static constexpr std::uint16_t encode(float value) { return float_to_f16(value); }
  using reader = detail::half_reader<f16>;
};

#if LOWBIT_HOSTED

namespace detail {

template <class Format>
result<encoded_matrix> encode_half(matrix_view<const float> w) {
  LOWBIT_TRY(check_finite_weights(w));
  std::vector<std::uint16_t> values;
  values.reserve(w.rows * w.cols);
  for (std::size_t r = 0; r < w.rows; ++r) {
    for (std::size_t j = 0; j < w.cols; ++j) {
      values.push_back(Format::encode(w(r, j)));
      if ((values.back() & Format::infinity) == Format::infinity) {
        return bad_weight(r, j,
                          float_text(w(r, j)) + ", beyond the largest " + Format::name + ", " +
                              float_text(Format::decode(Format::largest)));
      }
    }
  }
  encoded_matrix out;
  out.add("", Format::type, {w.rows, w.cols}, values);
  return out;
}

}  // namespace detail

/// Rounds to nearest, ties to even.
///
/// Errors: invalid_argument naming a weight that is not finite or would become infinite
inline result<encoded_matrix> encode(bf16, matrix_view<const float> w) {
  return detail::encode_half<bf16>(w);
}
inline result<encoded_matrix> encode(f16, matrix_view<const float> w) {
  return detail::encode_half<f16>(w);
}

#endif

}  // namespace lowbit::inline LOWBIT_ISA
