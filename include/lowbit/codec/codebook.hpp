// SPDX-License-Identifier: Apache-2.0
// Codebooks: a weight is an index into N sorted centroids (k-means) shared by a whole matrix or a
// group of rows. Centroids are floats, or integers with a scale, which int8 kernels can multiply.
// gobo.hpp adds outliers.
#pragma once

#include "lowbit/codec/codec.hpp"
#include "lowbit/codec/encoded_matrix.hpp"
#include "lowbit/codec/k_means.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// How centroids are stored.
namespace centroid {
struct f32 {
  static constexpr const char* name = "f32";
};
struct int8 {  ///< -127..127 times one scale per codebook
  static constexpr const char* name = "int8";
};
}  // namespace centroid

namespace detail {

/// NAME.centroids (groups, N) of T = float (F32) or std::int8_t (I8), each row ascending.
template <std::size_t N, class Scale, class T>
class stored_centroids {
 public:
  status open(const weight_set& weights, const tensor_name& name, std::size_t n) {
    constexpr bool floats = std::is_same_v<T, float>;
    const std::size_t groups = Scale::count(n, 0);
    LOWBIT_TRY(weights.get(name(".centroids").view(), floats ? element_type::f32 : element_type::i8,
                           groups, N, values_));
    if constexpr (floats) LOWBIT_TRY(check_floats(values_, groups * N));
    for (std::size_t i = 0; i < groups * N; ++i) {
      const T value = values_.template read<T>(i);
      if constexpr (!floats) {
        if (value == -128) {
          return status::error(errc::malformed, "tensor ", values_.name, " element ", i,
                               " is -128, expected -127 to 127");
        }
      }
      if (i % N != 0 && value < values_.template read<T>(i - 1)) {
        return status::error(errc::malformed, "tensor ", values_.name, " element ", i,
                             " is below element ", i - 1, ", expected ascending order");
      }
    }
    return {};
  }
  /// Copies the N centroids of a row's codebook to `out`.
  void of_row(std::size_t row, T* out) const {
    std::memcpy(out, values_.data + Scale::index(row, 0, 0) * N * sizeof(T), N * sizeof(T));
  }

 private:
  stored_tensor values_;
};

/// Properties common to codebooks with any kind of centroids.
template <std::size_t N, class Scale>
struct codebook_format {
  static_assert(N >= 4 && N <= 256, "lowbit: a codebook has 4 to 256 values");
  static_assert(Scale::columns == 0, "lowbit: a codebook serves a tensor or whole rows");
  using scale = Scale;
  static constexpr std::size_t size = N;
  static constexpr std::size_t index_bits = static_cast<std::size_t>(std::bit_width(N - 1));
  static constexpr double bits_per_weight = index_bits;
  static constexpr std::size_t row_bytes(std::size_t k) { return ceil_div(k * index_bits, 8); }
  static constexpr std::size_t codebooks(std::size_t n) { return Scale::count(n, 0); }
  /// Kernels can look codes up only if one table serves all rows.
  static constexpr bool one_table = std::is_same_v<Scale, lowbit::scale::tensor>;
};

}  // namespace detail

/// NAME.codes U8 (N_rows, ceil(K index_bits / 8)), indices little-endian, pad bits 0;
/// NAME.centroids F32 or I8 [codebooks, N] ascending; NAME.scale F32 [codebooks] with I8 centroids.
template <std::size_t N, class Scale = scale::tensor, class Centroids = centroid::f32>
struct codebook : detail::codebook_format<N, Scale> {
  using format = detail::codebook_format<N, Scale>;
  static constexpr const char* name = "codebook";
  static constexpr std::size_t kernel_bits = !format::one_table ? float_kernel_bits
                                             : N <= 16          ? 4
                                                                : 8;
  static constexpr std::size_t scales(std::size_t, std::size_t) { return 0; }
  /// Bytes of the centroids of a matrix with n rows.
  static constexpr std::size_t centroid_bytes(std::size_t n) {
    return format::codebooks(n) * N * sizeof(float);
  }

  struct reader {
    status open(const weight_set& weights, const tensor_name& name, std::size_t n, std::size_t k) {
      LOWBIT_TRY(codes_.open(weights, name, n, k, 0, N - 1));
      LOWBIT_TRY(centroids_.open(weights, name, n));
      if (n != 0) centroids_.of_row(0, first_);
      return {};
    }
    void floats(std::size_t row, float* out) const {  // (K)
      float values[N];
      centroids_.of_row(row, values);
      codes_.read(row, out, [&](unsigned code) { return values[code]; });
    }
    template <class Code>
    void codes(std::size_t row, Code* out) const {  // (K) 0..N - 1
      codes_.read(row, out, [](unsigned code) { return static_cast<Code>(code); });
    }
    void centroids(std::size_t row, float* out) const { centroids_.of_row(row, out); }  // (N)
    /// The codebook shared by all rows: (N), or padded with zeros to a table of 16.
    [[nodiscard]] const float* centroids() const requires(format::one_table) { return first_; }
    void values(code_values& out) const requires(format::one_table) {
      out.bits = kernel_bits;
      std::memcpy(out.table, first_, sizeof first_);
    }
    void table(float (&values)[16]) const requires(format::one_table&& N <= 16) {
      for (std::size_t c = 0; c < 16; ++c) values[c] = c < N ? first_[c] : 0.0F;
    }

   private:
    detail::packed_rows<format::index_bits> codes_;
    detail::stored_centroids<N, Scale, float> centroids_;
    float first_[N] = {};  // aligned, unlike a stored tensor
  };
};

template <std::size_t N, class Scale>
struct codebook<N, Scale, centroid::int8> : detail::codebook_format<N, Scale> {
  using format = detail::codebook_format<N, Scale>;
  static constexpr const char* name = "codebook-int8";
  static constexpr std::size_t kernel_bits = format::one_table && N <= 16 ? 4 : 8;
  static constexpr std::size_t scales(std::size_t n, std::size_t /*k*/) {
    return format::codebooks(n);
  }
  /// Bytes of the centroids of a matrix with n rows, excluding scales().
  static constexpr std::size_t centroid_bytes(std::size_t n) { return format::codebooks(n) * N; }

  struct reader {
    static constexpr std::size_t group = 0;

    status open(const weight_set& weights, const tensor_name& name, std::size_t n, std::size_t k) {
      LOWBIT_TRY(codes_.open(weights, name, n, k, 0, N - 1));
      LOWBIT_TRY(centroids_.open(weights, name, n));
      return scales_.open(weights, name, n, k);
    }
    void integers(std::size_t row, std::int8_t* out) const {  // (K)
      std::int8_t values[N];
      centroids_.of_row(row, values);
      codes_.read(row, out, [&](unsigned code) { return values[code]; });
    }
    [[nodiscard]] float scale(std::size_t row, std::size_t group_index = 0) const {
      return scales_.at(row, group_index);
    }
    void floats(std::size_t row, float* out) const {  // (K)
      std::int8_t values[N];
      centroids_.of_row(row, values);
      const std::byte* codes = codes_.row(row);
      scales_.multiply(
          row,
          [&](std::size_t j) { return values[detail::read_code<format::index_bits>(codes, j)]; },
          out);
    }
    void codes(std::size_t row, std::uint8_t* out) const {  // (K) 0..N - 1
      codes_.read(row, out, [](unsigned code) { return static_cast<std::uint8_t>(code); });
    }
    void centroids(std::size_t row, std::int8_t* out) const { centroids_.of_row(row, out); }  // (N)
    void table(std::int8_t (&values)[16]) const requires(format::one_table&& N <= 16) {
      for (std::int8_t& v : values) v = 0;
      centroids_.of_row(0, values);
    }

   private:
    detail::packed_rows<format::index_bits> codes_;
    detail::stored_centroids<N, Scale, std::int8_t> centroids_;
    detail::stored_scales<Scale> scales_;
  };
};

#if LOWBIT_HOSTED

namespace detail {

[[nodiscard]] inline std::vector<float> values_of(matrix_view<const float> w) {
  std::vector<float> values;
  values.reserve(w.rows * w.cols);
  for (std::size_t r = 0; r < w.rows; ++r) values.insert(values.end(), w.row(r), w.row(r) + w.cols);
  return values;
}

/// Encodes every weight of a block of whole rows as the index of its nearest centroid.
template <std::size_t Bits>
void encode_indices(matrix_view<const float> w, std::span<const float> centroids,
                    std::byte* codes) {
  const nearest_centroid nearest(centroids);
  for (std::size_t r = 0; r < w.rows; ++r) {
    std::byte* row = codes + r * packed_rows<Bits>::row_bytes(w.cols);
    for (std::size_t j = 0; j < w.cols; ++j) {
      write_code<Bits>(row, j, static_cast<unsigned>(nearest(w(r, j))));
    }
  }
}

/// Rounds centroids to multiples of max |c| / 127 and appends the integers. `centroids` is replaced
/// by the decoded values, so that weights are assigned to what a reader will see. Returns the step.
[[nodiscard]] inline float round_centroids(std::vector<float>& centroids,
                                           std::vector<std::int8_t>& integers) {
  const float step =
      largest_magnitude({centroids.data(), 1, centroids.size(), centroids.size()}) / 127.0F;
  for (float& c : centroids) {
    const int integer = round_to_step(c, step, 127);
    integers.push_back(static_cast<std::int8_t>(integer));
    c = static_cast<float>(integer) * step;
  }
  return step;
}

}  // namespace detail

/// Runs k_means on every tensor or row group, then assigns each weight to its nearest centroid.
/// Errors: invalid_argument naming a non-finite weight, or the rows whose weights have fewer than N
/// distinct values
template <std::size_t N, class Scale, class Centroids>
result<encoded_matrix> encode(codebook<N, Scale, Centroids>, matrix_view<const float> w) {
  LOWBIT_TRY(detail::check_finite_weights(w));
  if (w.rows == 0 || w.cols == 0) LOWBIT_TRY(k_means({}, N).status());
  using format = codebook<N, Scale, Centroids>;
  constexpr bool integer = std::is_same_v<Centroids, centroid::int8>;
  const std::size_t row_bytes = format::row_bytes(w.cols);
  std::vector<std::byte> codes(w.rows * row_bytes);
  std::vector<float> centroids;
  std::vector<std::int8_t> integers;
  std::vector<float> scales;
  LOWBIT_TRY(detail::for_each_block<Scale>(w, [&](const detail::scale_block& block) -> status {
    auto found = k_means(detail::values_of(block.weights), N);
    if (!found) {
      if (format::one_table) return found.status();
      const tensor_name rows("rows ", block.row, " to ", block.row + block.weights.rows - 1);
      return found.status().in(rows.view());
    }
    if constexpr (integer) scales.push_back(detail::round_centroids(*found, integers));
    detail::encode_indices<format::index_bits>(block.weights, *found,
                                               codes.data() + block.row * row_bytes);
    centroids.insert(centroids.end(), found->begin(), found->end());
    return {};
  }));
  const std::size_t books = format::codebooks(w.rows);
  encoded_matrix out;
  out.add(".codes", element_type::u8, {w.rows, row_bytes}, codes);
  if constexpr (integer) {
    out.add(".centroids", element_type::i8, {books, N}, integers);
    out.add(".scale", element_type::f32, {books}, scales);
  } else {
    out.add(".centroids", element_type::f32, {books, N}, centroids);
  }
  return out;
}

#endif

}  // namespace lowbit::inline LOWBIT_ISA
