// SPDX-License-Identifier: Apache-2.0
// Linear layers whose input is encoded by the range of a whole padded batch, as one matrix or as
// the two halves of a split one. The encoded input is kept, so that layers with the same input and
// the same learned encoding share it.
#pragma once

#include "lowbit/nn/batch_range.hpp"
#include "lowbit/policy/quantized_bert.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// A tensor of floats and its codes.
template <class Format>
class batch_rows {
 public:
  using op = typename Format::op;
  using input = typename Format::input;
  using element = typename op::activation;

  constexpr void plan(arena& memory, std::size_t tokens, std::size_t cols) {
    // Bytes are stored in whole groups of 16 codes.
    const std::size_t stride = std::is_same_v<element, quad>
                                   ? round_up(op::units(cols), virtual_lanes / sizeof(quad))
                                   : op::units(cols);
    codes_ = memory.take_matrix<element>(tokens, op::units(cols), stride);
    sums_ = memory.take<std::int32_t>(tokens);
  }

  /// Finds the range of x (M, K), which encode() reads later.
  template <class Arch>
  void set(matrix_view<const float> x, const row_marks& marks = {}) {
    values_ = x;
    range_ = range_of<Arch>(x, marks);
    encoded_ = false;
  }
  /// The codes of x under `encoding`; those at hand where it is the same.
  template <class Arch, executor Executor>
  activation_rows<op> encode(const range_encoding<input>& encoding, Executor& executor) {
    const code_map<input> map = encoding.over(range_);
    if (!encoded_ || !(map == map_)) {
      map_ = map;
      encoded_ = true;
      constexpr std::size_t rows_per_task = 16;
      executor.run(ceil_div(values_.rows, rows_per_task), [&](std::size_t task, std::size_t) {
        const std::size_t begin = task * rows_per_task;
        for (std::size_t r = begin; r < begin + rows_per_task && r < values_.rows; ++r)
          sums_[r] = encode_codes<op, Arch>(map, values_.row(r), values_.cols, codes_.row(r));
      });
    }
    return {codes_.rows_from(0, values_.rows), values_.cols, sums_};
  }
  [[nodiscard]] const code_map<input>& map() const { return map_; }

 private:
  matrix_view<element> codes_;    // (T, units)
  std::int32_t* sums_ = nullptr;  // (T)
  matrix_view<const float> values_;
  value_range range_;
  code_map<input> map_{};
  bool encoded_ = false;
};

/// y = sum over halves of (x_hat w^T + b).
template <class Format, class Arch, bool Split>
class padded_linear {
 public:
  /// name: as in bert.pooler.dense; the halves are NAME_1 and NAME_2.
  status load(arena& memory, const weight_set& weights, const tensor_name& name, std::size_t n,
              std::size_t k) {
    for (std::size_t h = 0; h < halves; ++h) {
      LOWBIT_TRY(load_half(memory, weights, Split ? name("_", h + 1) : name, n, k, half_[h]));
    }
    return {};
  }

  /// y | epilogue. x.set() has passed; y: memory for (M, N) floats, which a split layer needs.
  template <class Epilogue, executor Executor>
  void run(batch_rows<Format>& x, matrix_view<float> y, const Epilogue& epilogue,
           Executor& executor) const {
    if constexpr (Split) {
      run_half(half_[0], x, store{y}, executor);
      run_half(half_[1], x, add_residual{y} | epilogue, executor);
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
  static void run_half(const half& h, batch_rows<Format>& x, const Epilogue& epilogue,
                       Executor& executor) {
    const auto codes = x.template encode<Arch>(h.encoding, executor);
    h.product.run(codes,
                  take_back_range{x.map().step, x.map().offset, h.sums} |
                      h.product.scale_and_bias() | epilogue,
                  executor);
  }

  half half_[halves];
};

}  // namespace lowbit::inline LOWBIT_ISA
