// SPDX-License-Identifier: Apache-2.0
// Sparse matrices: only blocks that contain a nonzero weight are stored. A bit mask with one bit
// per block records their positions. Between 50 and 95 % zeros it is smaller than an index (an int8
// matrix with 80 % zeros: 2.6 bits per weight, against 8 with 32-bit columns), and it cannot name a
// column twice, out of order or outside the matrix. codec/prune.hpp creates the zeros. This file
// does not depend on kernels.
#pragma once

#include "lowbit/codec/integer.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// The shape of a block that is stored or omitted as a whole: Rows outputs x Columns inputs.
template <std::size_t Rows, std::size_t Columns>
struct block {
  static_assert(Rows > 0 && Columns > 0);
  static constexpr std::size_t rows = Rows;
  static constexpr std::size_t columns = Columns;
  static constexpr std::size_t size = Rows * Columns;
};

namespace detail {

/// The three tensors that store an (N, K) matrix, by rows of blocks:
///   NAME.offsets I32 [block rows + 1]              blocks before each block row
///   NAME.mask    U8 (block rows, ceil(columns / 8)) bit c % 8 of byte c / 8: block c is stored
///   NAME.values  Element [blocks], or (blocks, size) row-major; 0 outside the matrix
template <class Element, class Block>
class stored_blocks {
 public:
  static constexpr bool is_float = std::is_same_v<Element, float>;

  status open(const weight_set& weights, const tensor_name& name, std::size_t n, std::size_t k) {
    n_ = n;
    k_ = k;
    const std::size_t rows = ceil_div(n, Block::rows);
    LOWBIT_TRY(weights.get(name(".offsets").view(), element_type::i32, 1, rows + 1, offsets_));
    LOWBIT_TRY(weights.get(name(".mask").view(), element_type::u8, rows, mask_bytes(), mask_));
    if (offset(0) != 0) {
      return status::error(errc::malformed, "tensor ", offsets_.name, " begins with ", offset(0),
                           ", expected 0");
    }
    for (std::size_t r = 0; r < rows; ++r) LOWBIT_TRY(check_row(r));
    const std::size_t count = blocks();
    constexpr element_type type = is_float ? element_type::f32 : element_type::i8;
    const bool vector = Block::size == 1;
    LOWBIT_TRY(weights.get(name(".values").view(), type, vector ? 1 : count,
                           vector ? count : Block::size, values_));
    if constexpr (is_float) LOWBIT_TRY(check_floats(values_, count * Block::size));
    for (std::size_t r = 0; r < rows; ++r) LOWBIT_TRY(check_values(r));
    return {};
  }

  [[nodiscard]] std::size_t rows() const { return n_; }
  [[nodiscard]] std::size_t columns() const { return k_; }
  /// Number of stored blocks.
  [[nodiscard]] std::size_t blocks() const {
    return static_cast<std::size_t>(offset(ceil_div(n_, Block::rows)));
  }
  /// Calls visit(c, at) for the stored blocks of block row r with first <= c < last, c ascending.
  template <class Visit>
  void for_each(std::size_t r, std::size_t first, std::size_t last, Visit visit) const {
    auto at = static_cast<std::size_t>(offset(r));
    for (std::size_t base = 0; base < last; base += word_bits) {
      word bits = load_canonical_word(mask(r), mask_bytes(), base / word_bits);
      for (; bits != 0; bits &= bits - 1, ++at) {
        const std::size_t c = base + static_cast<std::size_t>(std::countr_zero(bits));
        if (c >= last) return;
        if (c >= first) visit(c, at);
      }
    }
  }
  /// Element i (row-major) of stored block `at`.
  [[nodiscard]] Element value(std::size_t at, std::size_t i) const {
    return values_.read<Element>(at * Block::size + i);
  }
  /// Writes transform(element) for every weight of a row to out (K).
  template <class T, class Transform>
  void read(std::size_t row, T* out, Transform transform) const {
    for (std::size_t j = 0; j < k_; ++j) out[j] = transform(Element{});
    for_each(row / Block::rows, 0, ceil_div(k_, Block::columns),
             [&](std::size_t c, std::size_t at) {
               for (std::size_t i = 0; i < Block::columns && c * Block::columns + i < k_; ++i) {
                 out[c * Block::columns + i] =
                     transform(value(at, row % Block::rows * Block::columns + i));
               }
             });
  }

 private:
  [[nodiscard]] std::size_t mask_bytes() const { return bytes_for(ceil_div(k_, Block::columns)); }
  [[nodiscard]] const std::byte* mask(std::size_t r) const { return mask_.data + r * mask_bytes(); }
  [[nodiscard]] std::int32_t offset(std::size_t r) const { return offsets_.read<std::int32_t>(r); }

  [[nodiscard]] status check_row(std::size_t r) const {
    const std::size_t columns = ceil_div(k_, Block::columns);
    std::int64_t count = 0;
    for (std::size_t base = 0; base < columns; base += word_bits) {
      const word bits = load_canonical_word(mask(r), mask_bytes(), base / word_bits);
      if ((bits & ~low_mask(columns - base)) != 0) {
        return status::error(errc::malformed, "tensor ", mask_.name, " row ", r,
                             " has bits set past column ", columns);
      }
      count += std::popcount(bits);
    }
    const std::int64_t step = std::int64_t{offset(r + 1)} - offset(r);
    if (step == count) return {};
    return status::error(errc::malformed, "tensor ", offsets_.name, " element ", r + 1, " is ",
                         step, " above the one before, expected ", count,
                         ", the bits of that row of ", mask_.name);
  }
  [[nodiscard]] status check_values(std::size_t r) const {
    status wrong;
    for_each(r, 0, ceil_div(k_, Block::columns), [&](std::size_t c, std::size_t at) {
      for (std::size_t i = 0; i < Block::size && wrong.ok(); ++i) {
        const Element v = value(at, i);
        const bool outside = r * Block::rows + i / Block::columns >= n_ ||
                             c * Block::columns + i % Block::columns >= k_;
        if (outside && v != Element{}) {
          wrong = status::error(errc::malformed, "tensor ", values_.name, " block ", at,
                                " element ", i, " is not 0 outside of the matrix");
        }
        if constexpr (!is_float) {
          if (v == -128) {
            wrong = status::error(errc::malformed, "tensor ", values_.name, " block ", at,
                                  " element ", i, " is -128, expected -127 to 127");
          }
        }
      }
    });
    return wrong;
  }

  stored_tensor offsets_, mask_, values_;
  std::size_t n_ = 0;
  std::size_t k_ = 0;
};

template <class Block>
struct sparse_float_reader {
  status open(const weight_set& weights, const tensor_name& name, std::size_t n, std::size_t k) {
    return blocks.open(weights, name, n, k);
  }
  void floats(std::size_t row, float* out) const {  // (K)
    blocks.read(row, out, [](float v) { return v; });
  }
  stored_blocks<float, Block> blocks;
};

template <class Block>
struct sparse_integer_reader {
  static constexpr std::size_t group = 0;
  status open(const weight_set& weights, const tensor_name& name, std::size_t n, std::size_t k) {
    LOWBIT_TRY(scales_.open(weights, name, n, k));
    return blocks.open(weights, name, n, k);
  }
  void integers(std::size_t row, std::int8_t* out) const {  // (K)
    blocks.read(row, out, [](std::int8_t v) { return v; });
  }
  [[nodiscard]] float scale(std::size_t row, std::size_t group_index = 0) const {
    return scales_.at(row, group_index);
  }
  void floats(std::size_t row, float* out) const {  // (K)
    const float s = scale(row);
    blocks.read(row, out, [s](std::int8_t v) { return static_cast<float>(v) * s; });
  }
  stored_blocks<std::int8_t, Block> blocks;

 private:
  stored_scales<scale::row> scales_;
};

}  // namespace detail

/// The nonzero blocks of an f32 matrix, or of an int8 matrix with a scale per row (NAME.scale F32
/// [N]). block<1, 1> omits every zero. block<16, 1> of f32 and block<16, 4> of int8 match what a
/// vector kernel can skip.
template <class Value = f32, class Block = block<1, 1>>
struct sparse {
  static_assert(std::is_same_v<Value, f32> || std::is_same_v<Value, int8<scale::row>>,
                "lowbit: sparse weights are f32 or int8<scale::row>");
  using stored = Value;
  using shape = Block;
  static constexpr bool integer = !std::is_same_v<Value, f32>;
  static constexpr const char* name = integer
                                          ? (Block::size == 1 ? "sparse_int8" : "block_sparse_int8")
                                          : (Block::size == 1 ? "sparse" : "block_sparse");
  /// For a matrix without zeros; the stored size depends on the zeros.
  static constexpr double bits_per_weight =
      Value::bits_per_weight + 1.0 / static_cast<double>(Block::size);
  static constexpr std::size_t kernel_bits = integer ? 8 : float_kernel_bits;
  static constexpr std::size_t row_bytes(std::size_t k) {
    return Value::row_bytes(k) + bytes_for(ceil_div(k, Block::size));
  }
  static constexpr std::size_t scales(std::size_t n, std::size_t /*k*/) { return integer ? n : 0; }

  using reader = std::conditional_t<integer, detail::sparse_integer_reader<Block>,
                                    detail::sparse_float_reader<Block>>;
};

/// Codecs whose readers expose stored blocks.
template <class Codec>
concept sparse_codec = requires(const typename Codec::reader& r) {
  typename Codec::shape;
  r.blocks.blocks();
};

#if LOWBIT_HOSTED

namespace detail {

/// Adds the tensors of stored_blocks<Element, Block> for `w`.
template <class Block, class Element>
status add_blocks(encoded_matrix& out, matrix_view<const Element> w) {
  const std::size_t rows = ceil_div(w.rows, Block::rows);
  const std::size_t columns = ceil_div(w.cols, Block::columns);
  std::vector<std::int32_t> offsets{0};
  std::vector<std::byte> mask(rows * bytes_for(columns));
  std::vector<Element> values;
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c) {
      Element elements[Block::size] = {};
      bool nonzero = false;
      for (std::size_t i = 0; i < Block::size; ++i) {
        const std::size_t row = r * Block::rows + i / Block::columns;
        const std::size_t column = c * Block::columns + i % Block::columns;
        if (row < w.rows && column < w.cols) elements[i] = w(row, column);
        nonzero = nonzero || elements[i] != Element{};
      }
      if (!nonzero) continue;
      mask[r * bytes_for(columns) + c / 8] |= static_cast<std::byte>(1U << (c % 8));
      values.insert(values.end(), elements, elements + Block::size);
    }
    const std::size_t blocks = values.size() / Block::size;
    if (blocks > std::size_t{INT32_MAX}) {
      return status::error(errc::unsupported, "row ", r * Block::rows,
                           " is past the 2147483647 blocks of a sparse matrix");
    }
    offsets.push_back(static_cast<std::int32_t>(blocks));
  }
  const std::size_t blocks = values.size() / Block::size;
  constexpr auto type = std::is_same_v<Element, float> ? element_type::f32 : element_type::i8;
  out.add(".offsets", element_type::i32, {rows + 1}, offsets);
  out.add(".mask", element_type::u8, {rows, bytes_for(columns)}, mask);
  if constexpr (Block::size == 1) {
    out.add(".values", type, {blocks}, values);
  } else {
    out.add(".values", type, {blocks, Block::size}, values);
  }
  return {};
}

}  // namespace detail

/// Stores the blocks of `w` that are not all zero; an int8 weight that rounds to 0 counts as zero.
/// Does not prune: see prune_magnitude.
///
/// Errors: invalid_argument naming a non-finite weight; unsupported beyond 2^31 - 1 blocks
template <class Value, class Block>
result<encoded_matrix> encode(sparse<Value, Block>, matrix_view<const float> w) {
  LOWBIT_TRY(detail::check_finite_weights(w));
  encoded_matrix out;
  if constexpr (std::is_same_v<Value, f32>) {
    LOWBIT_TRY(detail::add_blocks<Block>(out, w));
  } else {
    auto dense = encode(Value{}, w);  // .codes and .scale
    if (!dense) return dense;
    const auto* codes = reinterpret_cast<const std::int8_t*>(dense->tensors[0].bytes.data());
    LOWBIT_TRY((detail::add_blocks<Block>(
        out, matrix_view<const std::int8_t>{codes, w.rows, w.cols, w.cols})));
    out.tensors.push_back(std::move(dense->tensors[1]));
  }
  return out;
}

#endif

}  // namespace lowbit::inline LOWBIT_ISA
