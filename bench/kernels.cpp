// SPDX-License-Identifier: Apache-2.0
// Compiled once per instruction set; LOWBIT_BENCH_KERNELS names the table.
#include "kernels.hpp"

#include <new>

#include "lowbit/gemm/gemm.hpp"
#include "lowbit/nn/layer_norm.hpp"

namespace lowbit_bench {
namespace {

using lowbit::activation_rows;
using lowbit::native;
using lowbit::packed_weights;
using lowbit::word;

/// function(Op{}) for the product's op.
template <class Function>
auto with_op(product p, Function function) {
  switch (p) {
    case product::b1s:
      return function(lowbit::xor_popcount{});
    case product::b1u:
      return function(lowbit::and_popcount{});
    case product::t2:
      return function(lowbit::ternary_popcount{});
    case product::f32:
      break;
  }
  return function(lowbit::mul_add{});
}

const char* kernel_arch(product p) {
  return with_op(p, []<class Op>(Op) { return lowbit::selected_kernel<Op, native>::arch::name; });
}

std::size_t packed_bytes(product p, std::size_t n, std::size_t k) {
  return with_op(p, [&]<class Op>(Op) {
    return packed_weights<Op, native>::elements(n, k) * sizeof(typename Op::weight);
  });
}

void pack(product p, const std::byte* rows, std::size_t n, std::size_t k, void* packed) {
  with_op(p, [&]<class Op>(Op) {
    auto* memory = static_cast<typename Op::weight*>(packed);
    if constexpr (std::is_same_v<Op, lowbit::mul_add>) {
      const auto* floats = reinterpret_cast<const float*>(rows);
      lowbit::pack<Op, native>(memory, n, k,
                               [&](std::size_t row, std::size_t u) { return floats[row * k + u]; });
    } else {
      const std::size_t row_bytes = lowbit::bytes_for(k);
      lowbit::pack<Op, native>(memory, n, k, [&](std::size_t row, std::size_t u) {
        return lowbit::load_canonical_word(rows + row * row_bytes, row_bytes, u);
      });
    }
  });
}

template <class Op>
void gemm_of(ending e, const operands& o) {
  using activation = typename Op::activation;
  using weight = typename Op::weight;
  const activation_rows<Op> a{
      {static_cast<const activation*>(o.a), o.m, Op::units(o.k), o.a_stride}, o.k, o.row_counts};
  const packed_weights<Op, native> w{static_cast<const weight*>(o.weights), o.n, o.k,
                                     Op::units(o.k)};
  lowbit::serial here;
  const lowbit::matrix_view<float> floats{static_cast<float*>(o.out), o.m, o.n, o.out_stride};
  if constexpr (std::is_same_v<Op, lowbit::mul_add>) {
    lowbit::gemm<Op, native>(a, w, lowbit::store{floats}, here);
  } else if (e == ending::plain) {
    const lowbit::matrix_view<std::int32_t> integers{static_cast<std::int32_t*>(o.out), o.m, o.n,
                                                     o.out_stride};
    lowbit::gemm<Op, native>(a, w, lowbit::store_integers{integers}, here);
  } else if (e == ending::bits) {
    const lowbit::matrix_view<word> bits{static_cast<word*>(o.out), o.m, lowbit::words_for(o.n),
                                         o.out_stride};
    const lowbit::channel_threshold thresholds{{o.thresholds, o.n}};
    lowbit::gemm<Op, native>(
        a, w, lowbit::make_to_bits<lowbit::bit_marks::below>(bits, o.n, thresholds), here);
  } else {
    const lowbit::affine scaled{{o.scale, o.n}, {o.bias, o.n}};
    lowbit::gemm<Op, native>(a, w, lowbit::to_float{} | scaled | lowbit::store{floats}, here);
  }
}

void gemm(product p, ending e, const operands& o) {
  with_op(p, [&]<class Op>(Op) { gemm_of<Op>(e, o); });
}

using norm = lowbit::layer_norm<native>;
constexpr std::size_t norm_header = lowbit::round_up(sizeof(norm), lowbit::buffer_alignment);

lowbit::status load_norm(lowbit::arena& memory, const lowbit::weight_set& weights, std::size_t d,
                         norm& layer) {
  return layer.load(memory, weights, lowbit::tensor_name("norm"), d, 1e-12F);
}

std::size_t layer_norm_bytes(std::size_t d) {
  lowbit::arena measure;
  norm layer;
  static_cast<void>(load_norm(measure, {}, d, layer));
  return norm_header + measure.used();
}

void load_layer_norm(const float* gamma, const float* beta, std::size_t d, std::byte* memory) {
  const auto tensor = [d](const char* name, const float* values) {
    return lowbit::stored_tensor{
        name, reinterpret_cast<const std::byte*>(values), lowbit::element_type::f32, 1, {d, 1}};
  };
  const lowbit::stored_tensor tensors[] = {tensor("norm.weight", gamma), tensor("norm.bias", beta)};
  auto* layer = new (memory) norm;
  lowbit::arena space(memory + norm_header, layer_norm_bytes(d) - norm_header);
  LOWBIT_EXPECTS(load_norm(space, {tensors, 2}, d, *layer).ok());
}

void layer_norm(const std::byte* memory, const float* x, std::size_t t, std::size_t stride,
                float* out) {
  const auto& layer = *reinterpret_cast<const norm*>(memory);
  lowbit::serial here;
  layer.run({x, t, stride, stride}, lowbit::store{{out, t, stride, stride}}, here);
}

void encode(const float* x, std::size_t t, std::size_t d, std::size_t stride, std::uint64_t* bits) {
  const std::size_t words = lowbit::words_for(d);
  const lowbit::sign_encoder sink{{bits, t, words, words}, d};
  for (std::size_t r = 0; r < t; ++r) {
    bits[(r + 1) * words - 1] = 0;
    for (std::size_t c = 0; c < d; c += lowbit::virtual_lanes)
      sink(lowbit::load_row<native>(x + r * stride, c, d), r, c);
  }
}

}  // namespace

extern const kernels LOWBIT_BENCH_KERNELS;
const kernels LOWBIT_BENCH_KERNELS = {
    native::name,     kernel_arch,     packed_bytes, pack,   gemm,
    layer_norm_bytes, load_layer_norm, layer_norm,   encode,
};

}  // namespace lowbit_bench
