// SPDX-License-Identifier: Apache-2.0
// Requirements on a weight codec, from the library or a user. A codec names its tensors and decodes
// their rows; kernels use the narrowest form that the codec offers.
//   struct mine {
//     static constexpr const char* name = "mine";
//     static constexpr double bits_per_weight = 8;
//     static constexpr std::size_t row_bytes(std::size_t k);            // code bytes of one row
//     static constexpr std::size_t scales(std::size_t n, std::size_t k);  // optional: F32 scales
//     static constexpr std::size_t kernel_bits = 8;                     // optional: see below
//     struct reader { open(weights, name, n, k) -> status; .. };
//   };
// The reader of an integer codec has integers(row, int8*) and scale(row): weight = scale * integer,
// integer in -127..127. The reader of a float codec has floats(row, float*) only. With kernel_bits
// 4 or 1, an integer reader also has codes(row, uint8*) and table(values[16]): one of 16 (or 2)
// values per code. A float codec with kernel_bits 1..8 or 16 whose codes are decoded during
// multiplication has codes() and values(code_values&), plus outliers() and each_outlier(row, visit)
// if some weights are stored separately from their codes.
#pragma once

#include <concepts>

#include "lowbit/codec/codec.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <class C>
concept weight_codec = requires {
  { C::name } -> std::convertible_to<const char*>;
  { C::bits_per_weight } -> std::convertible_to<double>;
  { C::row_bytes(std::size_t{1}) } -> std::convertible_to<std::size_t>;
  typename C::reader;
};

template <class C>
concept integer_codec = weight_codec<C> && requires(const typename C::reader& r, std::int8_t* out) {
  r.integers(std::size_t{}, out);
  { r.scale(std::size_t{}) } -> std::convertible_to<float>;
};

template <class C>
concept float_codec =
    weight_codec<C> && !integer_codec<C> && requires(const typename C::reader& r, float* out) {
  r.floats(std::size_t{}, out);
};

/// Bits per code in the kernel layout; 32 if weights are expanded to floats.
template <class C>
inline constexpr std::size_t kernel_bits_of = [] {
  if constexpr (requires { C::kernel_bits; }) {
    return C::kernel_bits;
  } else {
    return integer_codec<C> ? std::size_t{8} : std::size_t{32};
  }
}();

/// Float codecs whose matrices can stay encoded while a kernel decodes them block by block.
template <class C>
concept decodable_codec = float_codec<C> &&(kernel_bits_of<C> <= 8 || kernel_bits_of<C> == 16) &&
                          requires(const typename C::reader& r, code_values& out) {
  r.values(out);
};
/// Decodable codecs that kernels cannot look up in registers; tables of 16 values without outliers
/// can be.
template <class C>
concept decoded_codec = decodable_codec<C> &&
    (kernel_bits_of<C> != 4 || requires(const typename C::reader& r) { r.outliers(); });

/// Columns of a row that share a scale; 0: all.
template <class C>
inline constexpr std::size_t group_of = [] {
  if constexpr (requires { C::reader::group; }) {
    return C::reader::group;
  } else {
    return std::size_t{0};
  }
}();

/// Number of F32 scales of an (n, k) matrix.
template <class C>
[[nodiscard]] constexpr std::size_t scales_of(std::size_t n, std::size_t k) {
  if constexpr (requires { C::scales(n, k); }) {
    return C::scales(n, k);
  } else {
    return 0;
  }
}

}  // namespace lowbit::inline LOWBIT_ISA
