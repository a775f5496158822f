// SPDX-License-Identifier: Apache-2.0
// An activation function as a pass of its own over stored rows, with the bits that it has in an
// epilogue. Epilogues are compiled into every product: that is for the usual functions only.
#pragma once

#include "lowbit/core/executor.hpp"
#include "lowbit/epilogue/activation.hpp"
#include "lowbit/nn/layer_norm.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// In a list of activation functions: any other one, in a pass of its own.
struct activation_pass {};

/// Those that feed-forward products have in their epilogue.
using fused_activations = activation_list<gelu_erf, relu, activation_pass>;

/// rows = Function(rows), in place.
template <class Arch, class Function>
LOWBIT_NOINLINE void activate_rows(matrix_view<float> rows) {
  if constexpr (is_lane_by_lane<Arch>) {
    for (std::size_t row = 0; row < rows.rows; ++row) {
      for (std::size_t c = 0; c < rows.cols; ++c) {
        float& x = rows(row, c);
        x = Function::apply(f32x16<single_lane>{{x}}).part[0];
      }
    }
    return;
  }
  const store out{rows};
  for (std::size_t row = 0; row < rows.rows; ++row) {
    for_each_column(rows.cols, [&](auto c) {
      out(Function::template apply<Arch>(load_row<Arch>(rows.row(row), c, rows.cols)), row, c);
    });
  }
}

/// rows = f(rows), in place, for the function `named`.
template <class Arch, executor Executor>
void activate_rows(activation_function named, matrix_view<float> rows, Executor& executor) {
  executor.run(rows.rows, [&](std::size_t row, std::size_t) {
    with_activation<any_activation>(named, [&]<class Function>(std::type_identity<Function>) {
      activate_rows<Arch, Function>(rows.rows_from(row, 1));
    });
  });
}

/// rows *= others, element by element.
template <class Arch, executor Executor>
void multiply_rows(matrix_view<float> rows, matrix_view<const float> others, Executor& executor) {
  const store out{rows};
  executor.run(rows.rows, [&](std::size_t row, std::size_t) {
    for_each_column(rows.cols, [&](auto c) {
      out(load_row<Arch>(rows.row(row), c, rows.cols) *
              load_row<Arch>(others.row(row), c, rows.cols),
          row, c);
    });
  });
}

}  // namespace lowbit::inline LOWBIT_ISA
