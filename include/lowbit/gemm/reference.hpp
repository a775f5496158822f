// SPDX-License-Identifier: Apache-2.0
// The reference product: one loop over unpacked values, no layout. Every kernel must equal it
// exactly: integers are exact, and floats accumulate over k in order with fma in both.
#pragma once

#include "lowbit/core/fma.hpp"
#include "lowbit/tensor/matrix_view.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// out(m, n) = sum_k a(m, k) * w(n, k). a and w hold decoded values: int8 codes for integer
/// products, floats for f32.
template <class Value, class Accumulator>
void reference_gemm(matrix_view<const Value> a, matrix_view<const Value> w,
                    matrix_view<Accumulator> out) {
  LOWBIT_EXPECTS(a.cols == w.cols && out.rows == a.rows && out.cols == w.rows);
  for (std::size_t m = 0; m < a.rows; ++m) {
    for (std::size_t n = 0; n < w.rows; ++n) {
      Accumulator sum{};
      for (std::size_t k = 0; k < a.cols; ++k) {
        if constexpr (std::is_same_v<Value, float>) {
          sum = fma(a(m, k), w(n, k), sum);
        } else {
          sum += static_cast<Accumulator>(a(m, k)) * static_cast<Accumulator>(w(n, k));
        }
      }
      out(m, n) = sum;
    }
  }
}

}  // namespace lowbit::inline LOWBIT_ISA
