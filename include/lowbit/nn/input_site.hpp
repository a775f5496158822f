// SPDX-License-Identifier: Apache-2.0
// What a linear layer reads at one place of an encoder layer: rows of floats and their codes under
// the layer's input encoding. Rows come lane by lane from a layer norm (sink), whole from a caller
// (put), or stand in `floats` already (encode). An encoding that needs the range of the whole batch
// does it in two phases: find_range when all rows are there, codes when a layer asks for them
// (batch_range_linear.hpp); others have nothing left to do.
#pragma once

#include "lowbit/nn/encoded.hpp"
#include "lowbit/nn/mixed_linear.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Sink: encodes each row when its floats are complete; they are found in `from`.
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
  /// A layer multiplies the floats: all do, or where a matrix is stored as floats.
  static constexpr bool reads_floats = is_float || may_be_floats<Format>;

  encoded_rows<Format> codes;  // of f32: the floats themselves
  matrix_view<float> floats;   // (T, K); none where codes are made of something else

  constexpr void plan(arena& memory, std::size_t rows, std::size_t cols, matrix_view<float> of) {
    floats = of;
    if constexpr (is_float) {
      codes.rows = of;
      codes.k = cols;
    } else {
      codes.plan(memory, rows, cols);
    }
  }

  /// Before rows of bits are made.
  void clear_pad(std::size_t rows) const { codes.clear_pad(rows); }

  /// Encodes the lanes of normalised rows; their floats are stored beside the codes.
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

  /// x (K) as row `row`; floats are kept where a layer reads them.
  template <class Arch, class Layer>
  void put(const float* x, std::size_t row, const Layer& layer) const {
    if constexpr (reads_floats) std::memcpy(floats.row(row), x, codes.k * sizeof(float));
    if constexpr (!is_float) codes.template encode<Arch>(x, row, layer.input());
  }

  /// Row `to` becomes row `from` of another site of the same format.
  void copy_row(std::size_t to, const input_site& other, std::size_t from) const {
    std::memcpy(floats.row(to), other.floats.row(from), floats.cols * sizeof(float));
    if constexpr (!is_float) codes.copy_row(to, other.codes, from);
  }

  /// All rows of sink() or put() are there.
  template <class Arch>
  void find_range(std::size_t, const row_marks&) const {}

  /// `floats` has `rows` rows: encodes them, and marks those that are not finite.
  template <class Arch, class Layer, executor Executor>
  void encode(std::size_t rows, const Layer& layer, Executor& executor,
              const row_marks& marks) const {
    if constexpr (!is_float) encode_rows<Arch>(codes, floats, rows, layer.input(), executor, marks);
  }
};

/// A layer's output for the first rows of x, through `rest`. half: see batch_range_linear.
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
