// SPDX-License-Identifier: Apache-2.0
// The input of a linear layer at one point of an encoder layer: float rows and their codes in the
// layer's input encoding. Rows arrive lane by lane from a layer norm (sink), whole from a caller
// (put), or are already in `floats` (encode). Batch-range encodings work in two phases: find_range
// once all rows are stored, codes when a layer reads them (batch_range_linear.hpp); for other
// encodings find_range does nothing.
#pragma once

#include "lowbit/nn/encoded.hpp"
#include "lowbit/nn/mixed_linear.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Sink: encodes each row once its floats in `from` are complete.
template <class Format, class Arch>
struct row_encoder : epilogue_stage {
  encoded_rows<Format> out;
  matrix_view<const float> from;  // (T, K)
  input_encoding learned;
  row_marks marks;
  row_encoder(const encoded_rows<Format>& rows, matrix_view<const float> floats,
              const input_encoding& encoding, const row_marks& not_finite)
      : out(rows), from(floats), learned(encoding), marks(not_finite) {}
  template <class Lanes, class Column>
  LOWBIT_INLINE void operator()(Lanes, std::size_t, Column) const {}
  void finish(std::size_t row) const {
    if (!out.template encode<Arch>(from.row(row), row, learned)) marks.mark(row);
  }
};

template <class Format>
struct input_site {
  static constexpr bool batch_range = false;
  static constexpr bool is_float = encoded_rows<Format>::is_float;
  /// The layer reads floats: always, or only for matrices stored as floats.
  static constexpr bool reads_floats = is_float || may_be_floats<Format>;

  encoded_rows<Format> codes;  // for f32, the floats themselves
  matrix_view<float> floats;   // (T, K); empty if the codes are not made from floats

  constexpr void plan(arena& memory, std::size_t rows, std::size_t cols, matrix_view<float> of) {
    floats = of;
    if constexpr (is_float) {
      codes.rows = of;
      codes.k = cols;
    } else {
      codes.plan(memory, rows, cols);
    }
  }

  /// Must be called before rows of bits are written.
  void clear_pad(std::size_t rows) const { codes.clear_pad(rows); }

  /// Encodes normalised rows lane by lane; also stores their floats.
  template <class Arch, class Layer>
  [[nodiscard]] auto sink(const Layer& layer, const row_marks& marks) const {
    if constexpr (is_float) {
      return store{floats};
    } else if constexpr (encoded_rows<Format>::is_bytes) {
      return fan_out{store{floats}, row_encoder<Format, Arch>{codes, floats, layer.input(), marks}};
    } else {
      static_assert(!encoded_rows<Format>::counted,
                    "lowbit: a layer norm that encodes bits does not count them");
      return fan_out{store{floats}, sign_encoder{codes.rows, codes.k, layer.input().shift}};
    }
  }

  /// Encodes x (K) as row `row`; floats are kept if a layer reads them.
  template <class Arch, class Layer>
  void put(const float* x, std::size_t row, const Layer& layer) const {
    if constexpr (reads_floats) std::memcpy(floats.row(row), x, codes.k * sizeof(float));
    if constexpr (!is_float) codes.template encode<Arch>(x, row, layer.input());
  }

  /// Copies row `from` of another site of the same format to row `to`.
  void copy_row(std::size_t to, const input_site& other, std::size_t from) const {
    std::memcpy(floats.row(to), other.floats.row(from), floats.cols * sizeof(float));
    if constexpr (!is_float) codes.copy_row(to, other.codes, from);
  }

  /// Called once all rows from sink() or put() are stored.
  template <class Arch>
  void find_range(std::size_t, const row_marks&) const {}

  /// Encodes the first `rows` rows of `floats`, and marks rows with non-finite values.
  template <class Arch, class Layer, executor Executor>
  void encode(std::size_t rows, const Layer& layer, Executor& executor,
              const row_marks& marks) const {
    if constexpr (!is_float) encode_rows<Arch>(codes, floats, rows, layer.input(), executor, marks);
  }
};

/// Runs a layer on the first rows of x; its output goes through `rest`. half: see
/// batch_range_linear.
template <class Layer, class Site, class Rest, executor Executor>
void run_linear(const Layer& layer, Site& x, std::size_t rows, const Rest& rest, Executor& executor,
                [[maybe_unused]] matrix_view<float> half = {}) {
  if constexpr (Site::batch_range) {
    layer.run(x, half, rest, executor);
  } else if constexpr (may_be_floats<typename Layer::format>) {
    layer.run(x.codes.first(rows), x.codes.scales, x.floats.rows_from(0, rows), rest, executor);
  } else {
    layer.run(x.codes.first(rows), layer.to_output(x.codes.scales) | rest, executor);
  }
}

}  // namespace lowbit::inline LOWBIT_ISA
