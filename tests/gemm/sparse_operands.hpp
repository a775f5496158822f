// SPDX-License-Identifier: Apache-2.0
// Sparse problems: random activations times given weights, through a codec, a layout and the
// product under test, against the dense reference on the same matrix, zeros and all. Weights,
// activations and outputs end at guard pages.
#pragma once

#include "../codec/encoded_weights.hpp"
#include "../support/compare.hpp"
#include "lowbit/gemm/reference.hpp"
#include "lowbit/gemm/sparse_gemm.hpp"

namespace lowbit_test {

using lowbit::block;
using lowbit::sparse;
using int8_rows = lowbit::int8<lowbit::scale::row>;

/// A sparse codec, its op and the layout that multiplies it.
template <class Codec, class Op, template <class, class> class Layout>
struct sparse_case {
  using codec = Codec;
  using op = Op;
  template <class Arch>
  using layout = Layout<Op, Arch>;
  using value = std::conditional_t<Codec::integer, std::int8_t, float>;
};
using csr_f32 = sparse_case<sparse<>, lowbit::mul_add, lowbit::row_slices>;
using block_f32 =
    sparse_case<sparse<lowbit::f32, block<16, 1>>, lowbit::mul_add, lowbit::panel_blocks>;
using csr_int8 = sparse_case<sparse<int8_rows>, lowbit::code_dot<8>, lowbit::row_slices>;
using block_int8 =
    sparse_case<sparse<int8_rows, block<16, 4>>, lowbit::code_dot<8>, lowbit::panel_blocks>;

struct sparse_size {
  std::size_t m, n, k;
};

/// Weights where keep(output, input) says so, 0 elsewhere. For int8 they are integers, and a row
/// that has any has one of 127 or -127: its scale is 1 and its codes are the weights themselves.
template <class Case, class Keep>
std::vector<float> random_weights(const sparse_size& size, random_source& random, Keep keep) {
  std::vector<float> w(size.n * size.k);
  for (std::size_t o = 0; o < size.n; ++o) {
    bool first = true;
    for (std::size_t j = 0; j < size.k; ++j) {
      if (!keep(o, j)) continue;
      if constexpr (Case::codec::integer) {
        const int rest = static_cast<int>(random.below(255)) - 127;
        w[o * size.k + j] = static_cast<float>(first ? random.sign() * 127 : rest);
      } else {
        w[o * size.k + j] = random.around(0.0F, 1.0F);
      }
      first = false;
    }
  }
  return w;
}

/// Random activations times given weights.
template <class Case>
struct sparse_problem {
  using op = typename Case::op;
  using value = typename Case::value;
  using accumulator = typename op::accumulator;

  sparse_size size;
  std::vector<value> a, w;            // (M, K), (N, K)
  std::vector<accumulator> expected;  // (M, N)
  stored_matrix<typename Case::codec> stored;

  sparse_problem(sparse_size s, const std::vector<value>& activations,
                 const std::vector<float>& weights)
      : size(s), a(activations), expected(s.m * s.n), stored(weights, s.n, s.k) {
    for (const float v : weights) w.push_back(static_cast<value>(v));
    lowbit::reference_gemm<value, accumulator>({a.data(), s.m, s.k, s.k}, {w.data(), s.n, s.k, s.k},
                                               {expected.data(), s.m, s.n, s.n});
  }
  template <class Keep>
  sparse_problem(sparse_size s, random_source& random, Keep keep)
      : sparse_problem(s, activations(s, random), random_weights<Case>(s, random, keep)) {}

  static std::vector<value> activations(const sparse_size& s, random_source& random) {
    std::vector<value> a(s.m * s.k);
    for (value& v : a) {
      if constexpr (Case::codec::integer) {
        v = static_cast<value>(static_cast<int>(random.below(256)) - 128);
      } else {
        v = random.around(0.0F, 2.0F);
      }
    }
    return a;
  }
};

/// Every weight with this probability.
inline auto dense_share(random_source& random, std::size_t percent) {
  return [&random, percent](std::size_t, std::size_t) { return random.below(100) < percent; };
}

struct unchanged_layout {
  template <class Layout>
  void operator()(Layout&) const {}
};

/// How the sparse product differs from the reference; empty when it does not.
template <class Case, class Arch, class Executor, class Mutate = unchanged_layout>
std::string sparse_difference(const sparse_problem<Case>& problem, Executor& executor,
                              Mutate mutate = {}) {
  using op = typename Case::op;
  using unit = typename op::activation;
  using value = typename Case::value;
  const auto [m, n, k] = problem.size;
  lowbit::arena measure;
  typename Case::template layout<Arch> w;
  w.load(measure, problem.stored.reader.blocks);
  const guarded<std::byte> memory(measure.used(), 0xFF);
  lowbit::arena space(memory.data(), memory.size());
  w.load(space, problem.stored.reader.blocks);
  mutate(w);

  const std::size_t units = op::units(k);
  const std::size_t stride = units + 3;
  const guarded<unit> rows(m == 0 ? 0 : (m - 1) * stride + units, 0x55);  // pad codes: not 0
  for (std::size_t r = 0; r < m; ++r) {
    std::memcpy(static_cast<void*>(rows.data() + r * stride), problem.a.data() + r * k,
                k * sizeof(value));
  }
  const lowbit::activation_rows<op> a{{rows.data(), m, units, stride}, k};
  if constexpr (!Case::codec::integer) {
    const canary_matrix<float> out(m, n, n + 5);
    lowbit::sparse_gemm(a, w, lowbit::store{out.view()}, executor);
    const std::string differs = difference<float>(out.view(), {problem.expected.data(), m, n, n});
    return differs.empty() ? out.damage() : differs;
  } else {
    const std::size_t lanes = lowbit::round_up(n, lowbit::virtual_lanes);
    const canary_matrix<std::int32_t> out(m, n, lanes + 16, lanes);
    lowbit::sparse_gemm(a, w, lowbit::store_integers{out.view()}, executor);
    const std::string differs =
        difference<std::int32_t>(out.view(), {problem.expected.data(), m, n, n});
    return differs.empty() ? out.damage() : differs;
  }
}

}  // namespace lowbit_test
