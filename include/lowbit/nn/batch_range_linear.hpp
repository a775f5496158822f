// SPDX-License-Identifier: Apache-2.0
// Linear layers whose input is quantized over the range of a whole padded batch, with one matrix or
// the two halves of a split one, and the site of that input. Codes are cached, so layers with the
// same input and the same learned encoding share them.
#pragma once

#include "lowbit/nn/batch_range.hpp"
#include "lowbit/nn/input_site.hpp"
#include "lowbit/policy/policy.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// An input site whose codes depend on the range of all its rows and on the learned encoding of a
/// layer: find_range() runs once all rows are stored, and codes are made when a layer reads them.
template <class Format>
requires has_batch_range<typename Format::input>
struct input_site<Format> {
  using op = typename Format::op;
  using input = typename Format::input;
  using element = typename op::activation;
  static constexpr bool batch_range = true;
  static constexpr bool reads_floats = true;

  matrix_view<float> floats;  // (T, K)

  constexpr void plan(arena& memory, std::size_t rows, std::size_t cols, matrix_view<float> of) {
    floats = of;
    // Codes are stored in whole groups of 16 bytes.
    const std::size_t stride = std::is_same_v<element, quad>
                                   ? round_up(op::units(cols), virtual_lanes / sizeof(quad))
                                   : op::units(cols);
    codes_ = memory.take_matrix<element>(rows, op::units(cols), stride);
    sums_ = memory.take<std::int32_t>(rows);
  }

  void clear_pad(std::size_t) const {}
  template <class Arch, class Layer>
  [[nodiscard]] store sink(const Layer&, const row_marks&) const {
    return store{floats};
  }
  template <class Arch, class Layer>
  void put(const float* x, std::size_t row, const Layer&) const {
    std::memcpy(floats.row(row), x, floats.cols * sizeof(float));
  }
  template <class Arch>
  void find_range(std::size_t rows, const row_marks& marks) {
    rows_ = rows;
    range_ = range_of<Arch>(floats.rows_from(0, rows), marks);
    encoded_ = false;
  }
  template <class Arch, class Layer, executor Executor>
  void encode(std::size_t rows, const Layer&, Executor&, const row_marks& marks) {
    find_range<Arch>(rows, marks);
  }

  /// The codes under `encoding`; reused if the map is unchanged.
  template <class Arch, executor Executor>
  activation_rows<op> codes(const range_encoding<input>& encoding, Executor& executor) {
    const code_map<input> map = encoding.over(range_);
    if (!encoded_ || !(map == map_)) {
      map_ = map;
      encoded_ = true;
      constexpr std::size_t rows_per_task = 16;
      executor.run(ceil_div(rows_, rows_per_task), [&](std::size_t task, std::size_t) {
        const std::size_t begin = task * rows_per_task;
        for (std::size_t r = begin; r < begin + rows_per_task && r < rows_; ++r)
          sums_[r] = encode_codes<op, Arch>(map, floats.row(r), floats.cols, codes_.row(r));
      });
    }
    return {codes_.rows_from(0, rows_), floats.cols, sums_};
  }
  [[nodiscard]] const code_map<input>& map() const { return map_; }

 private:
  matrix_view<element> codes_;    // (T, units)
  std::int32_t* sums_ = nullptr;  // (T)
  std::size_t rows_ = 0;
  value_range range_;
  code_map<input> map_{};
  bool encoded_ = false;
};

/// y = sum over halves of (x_hat w^T + b).
template <class Format, class Arch, bool Split>
class batch_range_linear {
 public:
  using format = Format;
  static constexpr bool counts = false;

  /// name: of the part; the halves are NAME_1 and NAME_2.
  status load(arena& memory, const weight_set& weights, const tensor_name& name, std::size_t n,
              std::size_t k) {
    for (std::size_t h = 0; h < halves; ++h) {
      LOWBIT_TRY(load_half(memory, weights, Split ? name("_", h + 1) : name, n, k, half_[h]));
    }
    return {};
  }

  /// Computes y | epilogue, after find_range() on x. half: memory for (M, N) floats, needed only by
  /// a split layer; the epilogue may overwrite it.
  template <class Epilogue, executor Executor>
  void run(input_site<Format>& x, matrix_view<float> half, const Epilogue& epilogue,
           Executor& executor) const {
    if constexpr (Split) {
      run_half(half_[0], x, store{half}, executor);
      run_half(half_[1], x, add_residual{half} | epilogue, executor);
    } else {
      run_half(half_[0], x, epilogue, executor);
    }
  }

 private:
  static constexpr std::size_t halves = Split ? 2 : 1;
  struct half {
    linear<Format, Arch> product;
    range_encoding<typename Format::input> encoding;
    vector_view<float> sums;  // (N): sum of each output's integer weights
  };

  static status load_half(arena& memory, const weight_set& weights, const tensor_name& name,
                          std::size_t n, std::size_t k, half& out) {
    LOWBIT_TRY(out.product.load(memory, weights, name, n, k));
    out.sums = memory.take_vector<float>(n);
    const std::size_t mark = memory.position();
    auto* row = memory.take<std::int8_t>(k);
    memory.rewind(mark);
    if (memory.measuring()) return {};
    LOWBIT_TRY(out.encoding.load(weights, name(".input")));
    typename Format::weights::reader stored;
    LOWBIT_TRY(stored.open(weights, name(".weight"), n, k));
    for (std::size_t o = 0; o < n; ++o) {
      stored.integers(o, row);
      std::int32_t sum = 0;
      for (std::size_t j = 0; j < k; ++j) sum += row[j];
      out.sums[o] = static_cast<float>(sum);
    }
    return {};
  }

  template <class Epilogue, executor Executor>
  static void run_half(const half& h, input_site<Format>& x, const Epilogue& epilogue,
                       Executor& executor) {
    const auto codes = x.template codes<Arch>(h.encoding, executor);
    h.product.run(codes,
                  take_back_range{x.map().step, x.map().offset, h.sums} |
                      h.product.scale_and_bias() | epilogue,
                  executor);
  }

  half half_[halves];
};

/// The linear layer type for a site of Policy.
template <class Policy, class Format, class Arch>
using linear_layer =
    std::conditional_t<has_batch_range<typename Format::input>,
                       batch_range_linear<Format, Arch, is_split<Policy>>, linear<Format, Arch>>;

}  // namespace lowbit::inline LOWBIT_ISA
