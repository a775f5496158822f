// SPDX-License-Identifier: Apache-2.0
// One gemm problem per op: random values, their encoding element by element, the product under
// test and the reference on the unpacked values. Weights and activations end at guard pages, gaps
// of the output hold canaries, memory is poisoned before it is packed.
#pragma once

#include <algorithm>
#include <string>

#include "../support/bit_rows.hpp"
#include "../support/compare.hpp"
#include "../support/random.hpp"
#include "lowbit/gemm/gemm.hpp"
#include "lowbit/gemm/reference.hpp"

namespace lowbit_test {

using lowbit::word;

template <class Op>
struct operand;

template <>
struct operand<lowbit::mul_add> {
  using value = float;
  static value activation(random_source& random) { return random.around(0.0F, 2.0F); }
  static value weight(random_source& random) { return random.around(0.0F, 1.0F); }
  static std::vector<float> encode(const value* row, std::size_t k) { return {row, row + k}; }
  static std::vector<float> encode_weight(const value* row, std::size_t k) {
    return {row, row + k};
  }
};

struct sign_weights {
  using value = std::int8_t;
  static value weight(random_source& random) { return random.sign(); }
  static std::vector<word> encode_weight(const value* row, std::size_t k) {
    return bit_row(row, k, -1);
  }
};
template <>
struct operand<lowbit::xor_popcount> : sign_weights {
  static value activation(random_source& random) { return random.sign(); }
  static std::vector<word> encode(const value* row, std::size_t k) { return bit_row(row, k, -1); }
};
template <>
struct operand<lowbit::and_popcount> : sign_weights {
  static value activation(random_source& random) { return random.sign() > 0 ? value{1} : value{0}; }
  static std::vector<word> encode(const value* row, std::size_t k) { return bit_row(row, k, 1); }
};
template <>
struct operand<lowbit::ternary_popcount> : sign_weights {
  static value activation(random_source& random) {
    return random.below(4) == 0 ? value{0} : random.sign();
  }
  static std::vector<lowbit::trit_word> encode(const value* row, std::size_t k) {
    const std::vector<word> negative = bit_row(row, k, -1);
    const std::vector<word> positive = bit_row(row, k, 1);
    std::vector<lowbit::trit_word> trits(negative.size());
    for (std::size_t u = 0; u < trits.size(); ++u) {
      trits[u] = {negative[u], negative[u] | positive[u]};
    }
    return trits;
  }
};

/// Coded weights: values are drawn from `table`, in which code c stands at place c.
template <std::size_t Bits>
struct operand<lowbit::code_dot<Bits>> {
  using value = std::int8_t;
  static constexpr value table[16] = {-127, 127, 0, 1,  -1,  64,  -64, 33,
                                      -90,  12,  7, -3, 100, -55, 81,  -126};
  static value activation(random_source& random) {  // -128, too: asymmetric codes may hold it
    return static_cast<value>(static_cast<int>(random.below(256)) - 128);
  }
  static value weight(random_source& random) {
    if constexpr (Bits == 8) return static_cast<value>(static_cast<int>(random.below(255)) - 127);
    return table[random.below(std::size_t{1} << Bits)];
  }
  static std::vector<lowbit::quad> encode(const value* row, std::size_t k) {
    std::vector<lowbit::quad> quads(lowbit::code_dot<Bits>::units(k), lowbit::quad{});
    std::memcpy(quads.data(), row, k);
    return quads;
  }
  static std::uint8_t code(value w) {
    if constexpr (Bits == 8) return static_cast<std::uint8_t>(w);
    return static_cast<std::uint8_t>(std::find(table, table + 16, w) - table);
  }
};
template <>
struct operand<lowbit::lookup_mul_add> {
  using value = float;
  static constexpr value table[16] = {-1.5F, -0.7F, -0.4F, -0.3F,  -0.2F, -0.1F, -0.01F, 0.0F,
                                      0.02F, 0.11F, 0.25F, 0.333F, 0.4F,  0.6F,  0.9F,   1.7F};
  static value activation(random_source& random) { return random.around(0.0F, 2.0F); }
  static value weight(random_source& random) { return table[random.below(16)]; }
  static std::vector<float> encode(const value* row, std::size_t k) { return {row, row + k}; }
  static std::uint8_t code(value w) {
    return static_cast<std::uint8_t>(std::find(table, table + 16, w) - table);
  }
};

struct gemm_size {
  std::size_t m, n, k;
};

/// The problem a . w^T of one size.
template <class Op>
struct gemm_problem {
  using value = typename operand<Op>::value;
  using accumulator = typename Op::accumulator;

  gemm_size size;
  std::vector<value> a, w;            // (M, K), (N, K)
  std::vector<accumulator> expected;  // (M, N)

  gemm_problem(gemm_size s, random_source& random)
      : size(s), a(s.m * s.k), w(s.n * s.k), expected(s.m * s.n) {
    for (value& v : a) v = operand<Op>::activation(random);
    for (value& v : w) v = operand<Op>::weight(random);
    lowbit::reference_gemm<value, accumulator>({a.data(), s.m, s.k, s.k}, {w.data(), s.n, s.k, s.k},
                                               {expected.data(), s.m, s.n, s.n});
  }
};

/// The weights of a problem in `memory` of packed_weights::elements.
template <class Op, class Arch>
lowbit::packed_weights<Op, Arch> pack_problem(const gemm_problem<Op>& problem,
                                              typename Op::weight* memory) {
  const std::size_t n = problem.size.n;  // lambdas take no structured bindings in clang 14
  const std::size_t k = problem.size.k;
  if constexpr (lowbit::has_coded_weights<Op>) {
    using value = typename operand<Op>::value;
    std::vector<std::uint8_t> row(k);
    return lowbit::pack_codes<Op, Arch, value>(
        memory, n, k, row.data(),
        [&](std::size_t o, std::uint8_t* out) {
          for (std::size_t j = 0; j < k; ++j) out[j] = operand<Op>::code(problem.w[o * k + j]);
        },
        [](std::size_t, value(&table)[16]) {
          std::copy(operand<Op>::table, operand<Op>::table + 16, table);
        });
  } else {
    std::vector<std::vector<typename Op::weight>> rows(n);
    for (std::size_t o = 0; o < n; ++o)
      rows[o] = operand<Op>::encode_weight(problem.w.data() + o * k, k);
    return lowbit::pack<Op, Arch>(memory, n, k,
                                  [&](std::size_t o, std::size_t u) { return rows[o][u]; });
  }
}

/// Nothing is changed between pack and gemm.
struct unchanged {
  template <class T>
  void operator()(const guarded<T>&) const {}
};

/// How gemm<Op, Arch> differs from the reference; empty when it does not. `mutate` may change the
/// packed weights.
template <class Op, class Arch, class Executor, class Mutate = unchanged>
std::string gemm_difference(const gemm_problem<Op>& problem, Executor& executor,
                            Mutate mutate = {}) {
  const auto [m, n, k] = problem.size;
  using packed = lowbit::packed_weights<Op, Arch>;
  const guarded<typename Op::weight> memory(packed::elements(n, k), 0xFF);
  const packed w = pack_problem<Op, Arch>(problem, memory.data());
  mutate(memory);

  const std::size_t units = Op::units(k);
  const std::size_t stride = units + 3;
  const guarded<typename Op::activation> rows(m == 0 ? 0 : (m - 1) * stride + units, 0xFF);
  const guarded<std::int32_t> counts(m);
  for (std::size_t r = 0; r < m; ++r) {
    const auto row = operand<Op>::encode(problem.a.data() + r * k, k);
    std::memcpy(static_cast<void*>(rows.data() + r * stride), row.data(),
                units * sizeof(typename Op::activation));
    counts[r] = 0;
    for (std::size_t j = 0; j < k; ++j) {
      const auto v = problem.a[r * k + j];
      if constexpr (lowbit::has_coded_weights<Op>) {
        counts[r] += static_cast<std::int32_t>(v);
      } else {
        counts[r] += v != 0 ? 1 : 0;
      }
    }
  }
  const lowbit::activation_rows<Op> a{{rows.data(), m, units, stride}, k, counts.data()};

  using accumulator = typename Op::accumulator;
  const matrix_view<const accumulator> expected{problem.expected.data(), m, n, n};
  if constexpr (std::is_same_v<accumulator, float>) {
    const canary_matrix<float> out(m, n, n + 5);
    lowbit::gemm<Op, Arch>(a, w, lowbit::store{out.view()}, executor);
    const std::string differs = difference<float>(out.view(), expected);
    return differs.empty() ? out.damage() : differs;
  } else {
    const std::size_t lanes = lowbit::round_up(n, lowbit::virtual_lanes);
    const canary_matrix<std::int32_t> out(m, n, lanes + 16, lanes);
    lowbit::gemm<Op, Arch>(a, w, lowbit::store_integers{out.view()}, executor);
    const canary_matrix<float> floats(m, n, n + 5);
    lowbit::gemm<Op, Arch>(a, w, lowbit::to_float{} | lowbit::store{floats.view()}, executor);
    std::string differs = difference<std::int32_t>(out.view(), expected);
    if (differs.empty()) differs = out.damage();
    if (differs.empty()) {
      const std::vector<float> rounded(problem.expected.begin(), problem.expected.end());
      differs = difference<float>(floats.view(), {rounded.data(), m, n, n});
    }
    return differs.empty() ? floats.damage() : differs;
  }
}

}  // namespace lowbit_test
