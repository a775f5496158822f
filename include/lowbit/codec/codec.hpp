// SPDX-License-Identifier: Apache-2.0
// Number formats of stored weights, one type each. A codec says how many bits a weight takes, which
// tensors hold a matrix in a file, and (in encode.hpp) how floats become codes. It knows nothing of
// kernels.
#pragma once

#include <type_traits>

#include "lowbit/core/bits.hpp"
#include "lowbit/core/config.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// How many weights share one scale.
namespace scale {
struct row {
  static constexpr const char* name = "row";
};
struct tensor {
  static constexpr const char* name = "tensor";
};
}  // namespace scale

/// What is subtracted before the sign is taken.
namespace center {
struct none {
  static constexpr const char* name = "none";
};
struct row {
  static constexpr const char* name = "row";
};
struct tensor {
  static constexpr const char* name = "tensor";
};
}  // namespace center

/// IEEE single precision, stored as it is.
struct f32 {
  static constexpr const char* name = "f32";
  static constexpr double bits_per_weight = 32;
  static constexpr std::size_t row_bytes(std::size_t k) { return k * sizeof(float); }
};

/// One bit: w = s * (bit ? -1 : 1), s = mean |W| of the row or tensor, bit = W - center < 0.
/// BiBERT: sign<scale::row, center::row>. BiT linear: sign<scale::tensor, center::tensor>; its word
/// table sign<scale::row, center::tensor>.
template <class Scale, class Center>
struct sign {
  using scale = Scale;
  using center = Center;
  static constexpr const char* name = "sign";
  static constexpr double bits_per_weight = 1;
  static constexpr std::size_t row_bytes(std::size_t k) { return bytes_for(k); }
  static constexpr std::size_t scales(std::size_t rows) {
    return std::is_same_v<Scale, lowbit::scale::row> ? rows : 1;
  }
};

template <class Codec>
inline constexpr bool is_sign = false;
template <class Scale, class Center>
inline constexpr bool is_sign<sign<Scale, Center>> = true;

}  // namespace lowbit::inline LOWBIT_ISA
