// SPDX-License-Identifier: Apache-2.0
// One matrix as the sum of two one-bit matrices: w = s1 b1 + s2 b2, b in {-1, 1} (BinaryBERT after
// ternary weight splitting). The names follow the checkpoint: NAME_1.weight and NAME_2.weight
// represent NAME.weight. This codec is not used for linear layers: those compute two products,
// because the inputs of the halves may be encoded differently (nn/batch_range_linear.hpp).
#pragma once

#include "lowbit/codec/codec.hpp"

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// Maps NAME.weight to NAME_1.weight or NAME_2.weight.
[[nodiscard]] constexpr tensor_name half_name(const tensor_name& name, std::size_t half) {
  constexpr std::string_view ending = ".weight";
  const std::string_view text = name.view();
  LOWBIT_EXPECTS(text.ends_with(ending));
  return tensor_name(text.substr(0, text.size() - ending.size()), "_", half, ending);
}

}  // namespace detail

/// Stored as the tensors of two sign<Scale, center::none>.
template <class Scale>
struct sign_pair {
  using half = sign<Scale, center::none>;
  static constexpr const char* name = "sign_pair";
  static constexpr double bits_per_weight = 2;
  static constexpr std::size_t row_bytes(std::size_t k) { return 2 * half::row_bytes(k); }
  static constexpr std::size_t scales(std::size_t n, std::size_t k) {
    return 2 * half::scales(n, k);
  }

  struct reader {
    status open(const weight_set& weights, const tensor_name& name, std::size_t n, std::size_t k) {
      k_ = k;
      LOWBIT_TRY(first_.open(weights, detail::half_name(name, 1), n, k));
      return second_.open(weights, detail::half_name(name, 2), n, k);
    }
    void floats(std::size_t row, float* out) const {  // (K)
      first_.floats(row, out);
      const std::byte* codes = second_.canonical_row(row);
      const float s = second_.scale(row);
      for (std::size_t j = 0; j < k_; ++j) out[j] += detail::read_code<1>(codes, j) != 0 ? -s : s;
    }

   private:
    typename half::reader first_, second_;
    std::size_t k_ = 0;
  };
};

}  // namespace lowbit::inline LOWBIT_ISA
