// SPDX-License-Identifier: Apache-2.0
// The points in an encoder layer that calibration observes. A layer passes its float rows at each
// site to an observer that has site(layer, activation_site, rows); other observers cost nothing.
#pragma once

#include <type_traits>
#include <utility>

#include "lowbit/tensor/matrix_view.hpp"

namespace lowbit::inline LOWBIT_ISA {

enum class activation_site : std::uint8_t {
  query,          ///< (T, D) outputs of the projections, with bias
  key,            ///<
  value,          ///<
  context,        ///< (T, D) input of attention.output.dense
  attention_sum,  ///< (T, D) input of attention.output.LayerNorm, including the residual
  attended,       ///< (T, D) output of attention.output.LayerNorm: input of intermediate.dense and
                  ///< residual
  middle,         ///< (T, I) input of output.dense, after the activation function
  output_sum,     ///< (T, D) input of output.LayerNorm, including the residual
};
inline constexpr std::size_t activation_sites = 8;

/// Passes rows 0 .. count - 1 to an observer that accepts them; only float rows are shown.
template <class Observer, class T>
void show_site(Observer& observer, activation_site site, matrix_view<T> rows, std::size_t count) {
  if constexpr (std::is_same_v<std::remove_const_t<T>, float>) {
    if constexpr (requires { observer.site(observer.layer, site, matrix_view<const float>{}); })
      observer.site(observer.layer, site, matrix_view<const float>(rows.rows_from(0, count)));
  }
}

}  // namespace lowbit::inline LOWBIT_ISA
