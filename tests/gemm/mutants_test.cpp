// SPDX-License-Identifier: Apache-2.0
// The gemm tests must be able to fail: kernels and weights with one fault each are caught.
#include <catch2/catch_test_macros.hpp>
#include <limits>

#include "operands.hpp"

namespace {

/// Archs that compute like scalar, but for one fault in their kernel.
struct drops_last_word : lowbit::scalar {
  using fallback = lowbit::scalar;
};
struct ignores_stride : lowbit::scalar {
  using fallback = lowbit::scalar;
};
struct writes_nan : lowbit::scalar {
  using fallback = lowbit::scalar;
};

}  // namespace

namespace lowbit::inline LOWBIT_ISA {

template <class Op>
requires std::is_base_of_v<counting_op, Op>
struct micro_kernel<Op, drops_last_word> : micro_kernel<Op, scalar> {
  template <std::size_t Rows>
  static void run(const typename Op::activation* a, std::size_t stride, const word* w,
                  std::size_t units, std::int32_t* acc) {
    micro_kernel<Op, scalar>::template run<Rows>(a, stride, w, units - 1, acc);
  }
};
template <>
struct micro_kernel<mul_add, drops_last_word> : micro_kernel<mul_add, scalar> {
  template <std::size_t Rows>
  static void run(const float* a, std::size_t stride, const float* w, std::size_t units,
                  float* acc) {
    micro_kernel<mul_add, scalar>::run<Rows>(a, stride, w, units - 1, acc);
  }
};
template <class Op>
requires std::is_base_of_v<counting_op, Op>
struct micro_kernel<Op, ignores_stride> : micro_kernel<Op, scalar> {
  static constexpr std::size_t mr = 2;
  template <std::size_t Rows>
  static void run(const typename Op::activation* a, std::size_t, const word* w, std::size_t units,
                  std::int32_t* acc) {
    for (std::size_t r = 0; r < Rows; ++r) {
      micro_kernel<Op, scalar>::template run<1>(a + r * units, units, w, units,
                                                acc + r * micro_kernel<Op, scalar>::nr);
    }
  }
};
template <>
struct micro_kernel<mul_add, writes_nan> : micro_kernel<mul_add, scalar> {
  template <std::size_t Rows>
  static void run(const float* a, std::size_t stride, const float* w, std::size_t units,
                  float* acc) {
    micro_kernel<mul_add, scalar>::run<Rows>(a, stride, w, units, acc);
    acc[nr - 1] = std::numeric_limits<float>::quiet_NaN();
  }
};

}  // namespace lowbit::inline LOWBIT_ISA

namespace {

using namespace lowbit_test;

template <class Op, class Arch>
bool caught(gemm_size size) {
  random_source random(120);
  lowbit::serial executor;
  return !gemm_difference<Op, Arch>(gemm_problem<Op>(size, random), executor).empty();
}

}  // namespace

TEST_CASE("a kernel that drops the last word is caught", "[gemm][mutant]") {
  for (const std::size_t k : {31U, 64U, 65U, 257U}) {
    CAPTURE(k);
    CHECK(caught<lowbit::xor_popcount, drops_last_word>({5, 17, k}));
    CHECK(caught<lowbit::and_popcount, drops_last_word>({5, 17, k}));
    CHECK(caught<lowbit::ternary_popcount, drops_last_word>({5, 17, k}));
    CHECK(caught<lowbit::mul_add, drops_last_word>({5, 17, k}));
  }
}

TEST_CASE("a kernel that takes the units of a row for its stride is caught", "[gemm][mutant]") {
  CHECK_FALSE(caught<lowbit::xor_popcount, ignores_stride>({1, 17, 65}));  // one row has no stride
  CHECK(caught<lowbit::xor_popcount, ignores_stride>({5, 17, 65}));
  CHECK(caught<lowbit::ternary_popcount, ignores_stride>({2, 1, 257}));
}

TEST_CASE("a kernel that writes NaN into one lane is caught", "[gemm][mutant]") {
  CHECK(caught<lowbit::mul_add, writes_nan>({1, 16, 5}));
  CHECK_FALSE(caught<lowbit::mul_add, writes_nan>({1, 15, 5}));  // a lane that is no output
}

TEST_CASE("one flipped bit in the packed weights is caught", "[gemm][mutant]") {
  using op = lowbit::xor_popcount;
  random_source random(121);
  lowbit::serial executor;
  const gemm_problem<op> problem({2, 17, 65}, random);
  constexpr std::size_t nr = lowbit::packed_weights<op, lowbit::scalar>::nr;
  CHECK(gemm_difference<op, lowbit::scalar>(problem, executor).empty());
  for (const std::size_t element : {std::size_t{0}, nr - 1, nr, 2 * nr}) {
    const auto flip = [&](const guarded<word>& memory) { memory[element] ^= 1; };
    CAPTURE(element);
    CHECK_FALSE(gemm_difference<op, lowbit::scalar>(problem, executor, flip).empty());
  }
}

TEST_CASE("a NaN weight and a weight one ulp off are caught", "[gemm][mutant]") {
  using op = lowbit::mul_add;
  random_source random(122);
  lowbit::serial executor;
  const gemm_problem<op> problem({8, 17, 1}, random);  // one product: no later rounding hides it
  const auto nan = [](const guarded<float>& memory) {
    memory[0] = std::numeric_limits<float>::quiet_NaN();
  };
  const auto ulp = [](const guarded<float>& memory) {
    memory[0] = std::nextafter(memory[0], 9.0F);
  };
  CHECK_FALSE(gemm_difference<op, lowbit::scalar>(problem, executor, nan).empty());
  CHECK_FALSE(gemm_difference<op, lowbit::scalar>(problem, executor, ulp).empty());
}

TEST_CASE("an epilogue that writes one column too many is caught", "[gemm][mutant]") {
  const canary_matrix<float> out(2, 5, 8);
  lowbit::matrix_view<float> wide = out.view();
  wide.cols = 6;
  float values[16] = {};
  lowbit::store{wide}(lowbit::f32x16<lowbit::scalar>::load(values), 0, std::size_t{0});
  CHECK_FALSE(out.damage().empty());
}
