// SPDX-License-Identifier: Apache-2.0
// exp, erf, tanh and the activation functions against libm in double, and bit for bit against the
// scalar lanes.
#include "lowbit/epilogue/activation.hpp"

#include <catch2/catch_test_macros.hpp>
#include <limits>

#include "../support/archs.hpp"
#include "../support/compare.hpp"
#include "../support/lanes.hpp"

namespace {

using namespace lowbit_test;

struct exp_function {
  template <class Arch>
  static lowbit::f32x16<Arch> apply(lowbit::f32x16<Arch> x) {
    return exp(x);
  }
  static double exact(double x) { return std::exp(x); }
};
struct erf_function {
  template <class Arch>
  static lowbit::f32x16<Arch> apply(lowbit::f32x16<Arch> x) {
    return erf(x);
  }
  static double exact(double x) { return std::erf(x); }
};
struct tanh_function : lowbit::tanh_activation {
  static double exact(double x) { return std::tanh(x); }
};
struct gelu_function : lowbit::gelu_erf {
  static double exact(double x) { return 0.5 * x * (1.0 + std::erf(x * 0.70710678118654752440)); }
};

struct gelu_tanh_function : lowbit::gelu_tanh {
  static double exact(double x) {
    return 0.5 * x * (1.0 + std::tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
  }
};
struct silu_function : lowbit::silu {
  static double exact(double x) { return x / (1.0 + std::exp(-x)); }
};
struct quick_gelu_function : lowbit::quick_gelu {
  static double exact(double x) { return x / (1.0 + std::exp(-1.702 * x)); }
};

template <class Function, class Arch>
float value(float x) {
  return to_array(Function::apply(lowbit::f32x16<Arch>::broadcast(x)))[0];
}

/// The largest error(value, exact) of Function over [low, high] in steps of `step`; infinite on
/// NaN.
template <class Function, class Arch, class Error>
double largest_error(double low, double high, double step, Error error) {
  double largest = 0;
  float_lanes x;
  const auto blocks = static_cast<std::size_t>((high - low) / step / 16) + 1;
  for (std::size_t block = 0; block < blocks; ++block) {
    for (std::size_t j = 0; j < 16; ++j) {
      const double at = low + step * static_cast<double>(block * 16 + j);
      x[j] = static_cast<float>(at < high ? at : high);
    }
    const auto y = to_array(Function::apply(lowbit::f32x16<Arch>::load(x.data())));
    for (std::size_t j = 0; j < 16; ++j) {
      const double exact = Function::exact(static_cast<double>(x[j]));
      const double e = error(static_cast<double>(y[j]), exact, static_cast<double>(x[j]));
      if (!(e <= largest)) largest = std::isnan(e) ? std::numeric_limits<double>::infinity() : e;
    }
  }
  return largest;
}
const auto absolute = [](double y, double exact, double) { return std::abs(y - exact); };
const auto relative = [](double y, double exact, double) {
  return std::abs(y - exact) / std::abs(exact);
};

/// Every `step`-th bit pattern, NaN and infinities among them, gives the scalar bits.
template <class Function, class Arch>
std::string scalar_difference(std::uint32_t step) {
  for (std::uint64_t bits = 0; bits < (std::uint64_t{1} << 32); bits += 16ULL * step) {
    float_lanes x;
    for (std::size_t j = 0; j < 16; ++j) {
      x[j] = std::bit_cast<float>(static_cast<std::uint32_t>(bits + j * step));
    }
    const auto expected = to_array(Function::apply(lowbit::f32x16<lowbit::scalar>::load(x.data())));
    const auto y = to_array(Function::apply(lowbit::f32x16<Arch>::load(x.data())));
    const std::string differs = lane_difference(y, expected);
    if (!differs.empty()) return differs;
  }
  return {};
}

/// The largest |value - exact| / |x| over every `step`-th finite float. Half of the smallest floats
/// is rounded, so one of them is free.
template <class Function, class Arch>
double largest_slope_error(std::uint32_t step) {
  double largest = 0;
  for (std::uint64_t bits = 0; bits < (std::uint64_t{1} << 32); bits += 16ULL * step) {
    float_lanes x;
    for (std::size_t j = 0; j < 16; ++j) {
      x[j] = std::bit_cast<float>(static_cast<std::uint32_t>(bits + j * step));
    }
    const auto y = to_array(Function::apply(lowbit::f32x16<Arch>::load(x.data())));
    for (std::size_t j = 0; j < 16; ++j) {
      if (!std::isfinite(x[j])) continue;
      const auto at = static_cast<double>(x[j]);
      constexpr double smallest = std::numeric_limits<float>::denorm_min();
      const double apart = std::abs(static_cast<double>(y[j]) - Function::exact(at)) - smallest;
      if (!(apart <= largest * std::abs(at)))
        largest =
            std::isnan(apart) ? std::numeric_limits<double>::infinity() : apart / std::abs(at);
    }
  }
  return largest;
}

template <class Arch>
void check_activations(std::uint32_t step) {
  CHECK(largest_slope_error<gelu_function, Arch>(step) <= 1.3e-7);
  CHECK(largest_slope_error<gelu_tanh_function, Arch>(step) <= 1.3e-7);
  CHECK(largest_slope_error<silu_function, Arch>(step) <= 1.3e-7);
  CHECK(largest_slope_error<quick_gelu_function, Arch>(step) <= 1.3e-7);
}

template <class Arch>
void check_bounds(double step) {
  CHECK(largest_error<exp_function, Arch>(-86.0, 88.0, 16 * step, relative) <= 2e-7);
  CHECK(largest_error<erf_function, Arch>(-6.0, 6.0, step, absolute) <= 2e-7);
  CHECK(largest_error<tanh_function, Arch>(-12.0, 12.0, 2 * step, absolute) <= 2e-7);
  // x / 2 times the error of erf, and one rounding of a value of at most |x|.
  const auto gelu_error = [](double y, double exact, double x) {
    return std::abs(y - exact) / (1.0 + std::abs(x));
  };
  CHECK(largest_error<gelu_function, Arch>(-10.0, 10.0, 2 * step, gelu_error) <= 2e-7);
}
template <class Arch>
void check_same_bits(std::uint32_t step) {
  CHECK(scalar_difference<exp_function, Arch>(step) == "");
  CHECK(scalar_difference<erf_function, Arch>(step) == "");
  CHECK(scalar_difference<tanh_function, Arch>(step) == "");
  CHECK(scalar_difference<gelu_function, Arch>(step) == "");
  CHECK(scalar_difference<gelu_tanh_function, Arch>(step) == "");
  CHECK(scalar_difference<silu_function, Arch>(step) == "");
  CHECK(scalar_difference<quick_gelu_function, Arch>(step) == "");
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("exp, erf, tanh and gelu stay within their stated errors", "[activation]",
                        compiled_archs) {
  need_arch<TestType>();
  check_bounds<TestType>(1e-4);
}
TEMPLATE_LIST_TEST_CASE("exp, erf, tanh and gelu stay within their errors on a fine grid",
                        "[activation][slow]", compiled_archs) {
  need_arch<TestType>();
  check_bounds<TestType>(7e-6);
}

TEMPLATE_LIST_TEST_CASE("the smooth activation functions are exact to 1.3e-7 |x| for every float",
                        "[activation]", compiled_archs) {
  need_arch<TestType>();
  check_activations<TestType>(10007);
}
TEMPLATE_LIST_TEST_CASE("exp, erf, tanh and gelu give the same bits on every arch", "[activation]",
                        compiled_archs) {
  need_arch<TestType>();
  check_same_bits<TestType>(10007);
}
TEMPLATE_LIST_TEST_CASE("exp, erf, tanh and gelu give the same bits on a fine grid",
                        "[activation][slow]", compiled_archs) {
  need_arch<TestType>();
  check_same_bits<TestType>(1009);
}

TEMPLATE_LIST_TEST_CASE("special points of the functions are exact", "[activation]",
                        compiled_archs) {
  need_arch<TestType>();
  using arch = TestType;
  CHECK(value<exp_function, arch>(0.0F) == 1.0F);
  CHECK(value<exp_function, arch>(1e30F) == value<exp_function, arch>(88.0F));
  CHECK(value<exp_function, arch>(-1e30F) == value<exp_function, arch>(-86.0F));
  CHECK(value<exp_function, arch>(-86.0F) > 0.0F);
  CHECK(same_bits(value<erf_function, arch>(0.0F), 0.0F));
  CHECK(same_bits(value<erf_function, arch>(-0.0F), -0.0F));
  CHECK(value<erf_function, arch>(5.0F) == 1.0F);
  CHECK(value<erf_function, arch>(-1e30F) == -1.0F);
  CHECK(same_bits(value<tanh_function, arch>(-0.0F), -0.0F));
  CHECK(value<tanh_function, arch>(40.0F) == 1.0F);
  CHECK(value<tanh_function, arch>(-1e30F) == -1.0F);
  const auto ends = []<class Function>(Function) {
    const float largest = std::numeric_limits<float>::max();
    const float infinity = std::numeric_limits<float>::infinity();
    CHECK(value<Function, arch>(0.0F) == 0.0F);
    CHECK(value<Function, arch>(-0.0F) == 0.0F);
    CHECK(value<Function, arch>(50.0F) == 50.0F);
    CHECK(value<Function, arch>(largest) == largest);
    CHECK(value<Function, arch>(-50.0F) == 0.0F);
    CHECK(value<Function, arch>(-largest) == 0.0F);
    CHECK(value<Function, arch>(infinity) == infinity);
    CHECK(std::isnan(value<Function, arch>(-infinity)));  // as in torch
  };
  ends(gelu_function{});
  ends(gelu_tanh_function{});
  ends(silu_function{});
  ends(quick_gelu_function{});
  CHECK(value<lowbit::relu, arch>(-2.5F) == 0.0F);
  CHECK(value<lowbit::relu, arch>(2.5F) == 2.5F);
}

TEST_CASE("an error past the bound and a NaN are caught", "[activation][mutant]") {
  struct slightly_off : exp_function {
    static double exact(double x) { return std::exp(x) * (1.0 + 5e-7); }
  };
  struct not_a_number : exp_function {
    static double exact(double x) {
      return x > 1.0 ? std::numeric_limits<double>::quiet_NaN() : std::exp(x);
    }
  };
  CHECK(largest_error<slightly_off, lowbit::scalar>(-1.0, 2.0, 0.01, relative) > 2e-7);
  CHECK(largest_error<not_a_number, lowbit::scalar>(-1.0, 2.0, 0.01, relative) > 2e-7);
}

TEMPLATE_LIST_TEST_CASE("no function makes a number of NaN", "[activation]", compiled_archs) {
  need_arch<TestType>();
  using arch = TestType;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const float x : {nan, -nan}) {
    CHECK(std::isnan(value<exp_function, arch>(x)));
    CHECK(std::isnan(value<erf_function, arch>(x)));
    CHECK(std::isnan(value<tanh_function, arch>(x)));
    CHECK(std::isnan(value<gelu_function, arch>(x)));
    CHECK(std::isnan(value<gelu_tanh_function, arch>(x)));
    CHECK(std::isnan(value<silu_function, arch>(x)));
    CHECK(std::isnan(value<quick_gelu_function, arch>(x)));
    CHECK(std::isnan(value<lowbit::relu, arch>(x)));
  }
  CHECK(same_bits(value<lowbit::relu, arch>(-0.0F), 0.0F));
  CHECK(same_bits(value<lowbit::relu, arch>(-3.0F), 0.0F));
  CHECK(same_bits(value<lowbit::relu, arch>(3.0F), 3.0F));
}
