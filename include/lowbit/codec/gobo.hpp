// SPDX-License-Identifier: Apache-2.0
// GOBO: a codebook for the bulk of a matrix, which is roughly normally distributed, and exact
// floats for the few outliers.
#pragma once

#include "lowbit/codec/codebook.hpp"

#if LOWBIT_HOSTED
#include <cmath>
#endif

namespace lowbit::inline LOWBIT_ISA {

/// The tensors of codebook<2^Bits>, plus NAME.outliers.index I32 [count], row * K + column in
/// ascending order, and NAME.outliers.value F32 [count]. The code at an outlier's position is its
/// nearest centroid.
template <std::size_t Bits>
struct gobo : detail::codebook_format<std::size_t{1} << Bits, scale::tensor> {
  using book = codebook<std::size_t{1} << Bits>;
  static constexpr const char* name = "gobo";
  static constexpr std::size_t kernel_bits = Bits <= 4 ? Bits : 8;
  static constexpr std::size_t scales(std::size_t, std::size_t) { return 0; }
  /// Bytes of the centroids, excluding 8 bytes per outlier.
  static constexpr std::size_t centroid_bytes(std::size_t n) { return book::centroid_bytes(n); }

  struct reader {
    status open(const weight_set& weights, const tensor_name& name, std::size_t n, std::size_t k) {
      LOWBIT_TRY(book_.open(weights, name, n, k));
      k_ = k;
      const tensor_name index_name = name(".outliers.index");
      const stored_tensor* found = weights.find(index_name.view());
      count_ = found == nullptr ? 0 : found->elements();
      LOWBIT_TRY(weights.get(index_name.view(), element_type::i32, 1, count_, index_));
      LOWBIT_TRY(weights.get(name(".outliers.value").view(), element_type::f32, 1, count_, value_));
      std::size_t least = 0;
      for (std::size_t i = 0; i < count_; ++i) {
        const auto at = index_.template read<std::int32_t>(i);
        if (at < 0 || static_cast<std::size_t>(at) < least || position(i) >= n * k) {
          return status::error(errc::malformed, "tensor ", index_.name, " element ", i, " is ", at,
                               ", expected ascending positions below ", n * k);
        }
        least = position(i) + 1;
      }
      return detail::check_floats(value_, count_);
    }
    void floats(std::size_t row, float* out) const {  // (K)
      book_.floats(row, out);
      each_outlier(row, [&](std::size_t column, float value) { out[column] = value; });
    }
    template <class Code>
    void codes(std::size_t row, Code* out) const {  // (K)
      book_.codes(row, out);
    }
    /// The codebook (2^Bits), without outliers.
    [[nodiscard]] const float* centroids() const { return book_.centroids(); }
    void values(code_values& out) const {
      book_.values(out);
      out.bits = kernel_bits;
    }
    [[nodiscard]] std::size_t outliers() const { return count_; }
    /// Calls visit(column, value) for the outliers of a row, in order.
    template <class Visit>
    void each_outlier(std::size_t row, Visit visit) const {
      for (std::size_t i = first_from(row * k_); i < count_ && position(i) < (row + 1) * k_; ++i) {
        visit(position(i) - row * k_, value_.at(i));
      }
    }

   private:
    [[nodiscard]] std::size_t position(std::size_t i) const {
      return static_cast<std::size_t>(index_.template read<std::int32_t>(i));
    }
    /// Binary search for the first outlier at or after `at`.
    [[nodiscard]] std::size_t first_from(std::size_t at) const {
      std::size_t low = 0;
      for (std::size_t high = count_; low < high;) {
        const std::size_t middle = low + (high - low) / 2;
        if (position(middle) < at) {
          low = middle + 1;
        } else {
          high = middle;
        }
      }
      return low;
    }

    typename book::reader book_;
    stored_tensor index_;
    stored_tensor value_;
    std::size_t count_ = 0;
    std::size_t k_ = 0;
  };
};

#if LOWBIT_HOSTED

namespace detail {

/// Weights farther than `radius` from `mean` are outliers.
struct normal_bulk {
  double mean = 0;
  double radius = 0;
  [[nodiscard]] bool holds(float w) const {
    const double offset = static_cast<double>(w) - mean;
    return (offset < 0 ? -offset : offset) <= radius;
  }
};
/// The interval where log p(w) = -(w - mean)^2 / (2 sigma^2) - log(sigma) - log(2 pi) / 2 is at
/// least -4 under a normal distribution with the mean and sigma of the weights. std::log is used
/// only here, once per matrix: a different last bit could move the boundary, but not the stored
/// value of a weight on either side.
[[nodiscard]] inline normal_bulk fit_normal(std::span<const float> w) {
  constexpr double least_log_probability = -4;
  constexpr double half_log_2pi = 0.91893853320467274178;
  const auto count = static_cast<double>(w.size());
  double sum = 0;
  for (const float v : w) sum += static_cast<double>(v);
  const double mean = sum / count;
  double squares = 0;
  for (const float v : w) {
    const double offset = static_cast<double>(v) - mean;
    squares = __builtin_fma(offset, offset, squares);
  }
  const double sigma = std::sqrt(squares / count);
  if (!(sigma > 0)) return {mean, std::numeric_limits<double>::infinity()};
  const double room = -least_log_probability - std::log(sigma) - half_log_2pi;
  return {mean, room > 0 ? sigma * std::sqrt(2 * room) : -1};
}

}  // namespace detail

/// Source: abstract of the GOBO paper; the threshold depends on the scale of the weights
/// Errors: invalid_argument naming a non-finite weight, or if fewer than 2^Bits distinct weights
/// are not outliers (all are outliers if sigma exceeds 21.8); unsupported beyond 2^31 - 1 weights
template <std::size_t Bits>
result<encoded_matrix> encode(gobo<Bits>, matrix_view<const float> w) {
  LOWBIT_TRY(detail::check_finite_weights(w));
  using format = gobo<Bits>;
  const std::vector<float> all = detail::values_of(w);
  if (all.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    return status::error(errc::unsupported, "a matrix of ", all.size(),
                         " weights, expected at most ", std::numeric_limits<std::int32_t>::max(),
                         " where outliers have an index");
  }
  const detail::normal_bulk bulk = detail::fit_normal(all);
  std::vector<float> inner;
  inner.reserve(all.size());
  std::vector<std::int32_t> index;
  std::vector<float> value;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (bulk.holds(all[i])) {
      inner.push_back(all[i]);
    } else {
      index.push_back(static_cast<std::int32_t>(i));
      value.push_back(all[i]);
    }
  }
  LOWBIT_TRY_ASSIGN(const auto centroids, l1_means(inner, format::size));
  const std::size_t row_bytes = format::row_bytes(w.cols);
  std::vector<std::byte> codes(w.rows * row_bytes);
  detail::encode_indices<Bits>(w, centroids, codes.data());
  encoded_matrix out;
  out.report.outliers = index.size();
  out.add(".codes", element_type::u8, {w.rows, row_bytes}, codes);
  out.add(".centroids", element_type::f32, {1, format::size}, centroids);
  out.add(".outliers.index", element_type::i32, {index.size()}, index);
  out.add(".outliers.value", element_type::f32, {value.size()}, value);
  return out;
}

#endif

}  // namespace lowbit::inline LOWBIT_ISA
