// SPDX-License-Identifier: Apache-2.0
// One matrix product with random operands that any table of kernels can run, checked against the
// scalar reference on unpacked values.
#pragma once

#include <string>
#include <vector>

#include "lowbit/tensor/arena.hpp"
#include "shapes.hpp"

namespace lowbit_bench {

class problem {
 public:
  problem(product p, gemm_shape shape, std::uint64_t seed = 1);

  /// Packs the weights for `table`; run() and check() use that table from now on.
  void pack_for(const kernels& table);
  void run(ending e);
  /// Runs once and compares 16 rows with the reference, exactly. Empty if they are equal, otherwise
  /// the difference.
  [[nodiscard]] std::string check(ending e);

  [[nodiscard]] double macs() const {
    return static_cast<double>(shape_.m) * static_cast<double>(shape_.n) *
           static_cast<double>(shape_.k);
  }
  /// Bytes of packed weights.
  [[nodiscard]] std::size_t weight_bytes() const { return packed_.size(); }

  // f32 operands for peers; for one-bit products the decoded values
  [[nodiscard]] const std::vector<float>& a() const { return a_values_; }        // (M, K)
  [[nodiscard]] const std::vector<float>& weights() const { return w_values_; }  // (N, K)
  [[nodiscard]] const gemm_shape& shape() const { return shape_; }
  /// Result of the last f32 run, (M, N) with this stride.
  [[nodiscard]] const float* floats() const { return reinterpret_cast<const float*>(out_.data()); }
  [[nodiscard]] std::size_t out_stride() const { return out_stride_; }

 private:
  [[nodiscard]] operands operands_of(ending e) const;
  void fill_codes(std::uint64_t seed);
  /// Row m of the product in the exact arithmetic of its type.
  template <class Value>
  [[nodiscard]] std::vector<Value> reference_row(std::size_t m) const;
  [[nodiscard]] bool row_is_right(ending e, std::size_t m) const;

  product product_;
  gemm_shape shape_;
  const kernels* table_ = nullptr;
  std::vector<float> a_values_, w_values_;
  std::vector<std::int8_t> a_codes_, w_codes_;  // (M, K), (N, K): decoded integers
  std::vector<std::byte> canonical_;            // (N, bytes_for(K))
  std::vector<std::int32_t> row_counts_, thresholds_;
  std::vector<float> scale_, bias_;
  std::size_t a_stride_ = 0;
  std::size_t out_stride_ = 0;
  lowbit::aligned_buffer a_, packed_, out_;
};

}  // namespace lowbit_bench
