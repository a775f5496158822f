// SPDX-License-Identifier: Apache-2.0
// A linear layer of an integer model whose matrix may be stored as floats; it then multiplies the
// f32 activations, which every site stores beside their codes. It uses the same float product and
// epilogue as float models, so a program compiles them only once.
#pragma once

#include "lowbit/nn/sparse_linear.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <class Integers, class Floats, class Input, class Arch>
class linear<linear_format<or_floats<Integers, Floats>, Input>, Arch> {
  using integer_layer = linear<linear_format<Integers, Input>, Arch>;
  using float_layer = linear<linear_format<Floats, activation::f32>, Arch>;

 public:
  using format = linear_format<or_floats<Integers, Floats>, Input>;
  using op = typename format::op;
  using codec = or_floats<Integers, Floats>;
  static constexpr bool counts = false;
  static constexpr bool integer = true;

  /// Errors: unsupported listing the integer formats
  status load(arena& memory, const weight_set& weights, const tensor_name& name, std::size_t n,
              std::size_t k) {
    LOWBIT_TRY_ASSIGN(const auto stored, detail::stored_format(weights, name(".weight")));
    is_float_ = detail::any_index(typename Floats::indices{}, [&](auto i) {
      return same_text(format_name<std::tuple_element_t<i, typename Floats::codecs>>, stored);
    });
    return is_float_ ? floats_.load(memory, weights, name, n, k)
                     : integers_.load(memory, weights, name, n, k);
  }

  [[nodiscard]] const input_encoding& input() const { return integers_.input(); }

  /// Computes to_output() | rest from the codes x or, for a float matrix, from the original floats
  /// (M, K).
  template <class Rest, executor Executor>
  void run(const activation_rows<op>& x, const float* row_scales, matrix_view<const float> floats,
           const Rest& rest, Executor& executor) const {
    if (is_float_) {
      floats_.run(activation_rows<mul_add>{floats, x.k}, floats_.to_output() | rest, executor);
    } else {
      integers_.run(x, integers_.to_output(row_scales) | rest, executor);
    }
  }

 private:
  integer_layer integers_;
  float_layer floats_;
  bool is_float_ = false;
};

}  // namespace lowbit::inline LOWBIT_ISA
