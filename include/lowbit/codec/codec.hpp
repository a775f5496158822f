// SPDX-License-Identifier: Apache-2.0
// Storage formats for weights, one type each; this file has f32 and one-bit. A codec states how
// many bits a weight takes and which tensors store a matrix; its reader validates and decodes them,
// and its encode() overload (encode.hpp for these two) produces them from floats. Codecs do not
// depend on kernels and need no heap.
#pragma once

#include "lowbit/codec/stored_rows.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// What is subtracted before taking the sign.
namespace center {
struct none {
  static constexpr const char* name = "none";
};
struct row {
  static constexpr const char* name = "row";
};
struct tensor {
  static constexpr const char* name = "tensor";
};
}  // namespace center

/// kernel_bits of a codec whose kernels need float values.
inline constexpr std::size_t float_kernel_bits = 32;

/// How codes of a float codec decode: table[code] for codes of 1 to 8 bits; 16-bit codes are bf16,
/// or f16 if `half`.
struct code_values {
  std::uint32_t bits = 0;
  bool half = false;
  float table[256] = {};
};

/// IEEE single precision, stored unchanged: tensor NAME, F32 (N, K).
struct f32 {
  static constexpr const char* name = "f32";
  static constexpr double bits_per_weight = 32;
  static constexpr std::size_t kernel_bits = float_kernel_bits;
  static constexpr std::size_t row_bytes(std::size_t k) { return k * sizeof(float); }

  struct reader {
    status open(const weight_set& weights, const tensor_name& name, std::size_t n, std::size_t k) {
      k_ = k;
      LOWBIT_TRY(weights.get(name.view(), element_type::f32, n, k, values_));
      return detail::check_floats(values_, n * k);
    }
    void floats(std::size_t row, float* out) const {  // (K)
      if (k_ != 0) std::memcpy(out, values_.data + row * row_bytes(k_), row_bytes(k_));
    }

   private:
    stored_tensor values_;
    std::size_t k_ = 0;
  };
};

/// One bit: w = s * (bit ? -1 : 1), s = mean |W| of the row or tensor, bit = W - center < 0.
/// BiBERT: sign<scale::row, center::row>. BiT linear layers: sign<scale::tensor, center::tensor>;
/// BiT word embeddings: sign<scale::row, center::tensor>. NAME.codes U8 (N, ceil(K / 8)), bit j % 8
/// of byte j / 8, pad bits 0; NAME.scale F32 [N] or [1].
template <class Scale, class Center>
struct sign {
  using scale = Scale;
  using center = Center;
  static constexpr const char* name = "sign";
  static constexpr double bits_per_weight = 1;
  static constexpr std::size_t kernel_bits = 1;
  static constexpr std::size_t row_bytes(std::size_t k) { return bytes_for(k); }
  static constexpr std::size_t scales(std::size_t rows) { return Scale::count(rows, 0); }
  static constexpr std::size_t scales(std::size_t n, std::size_t k) { return Scale::count(n, k); }
  static_assert(Scale::columns == 0, "lowbit: one-bit codes have a scale per row or tensor");

  struct reader {
    static constexpr std::size_t group = 0;

    status open(const weight_set& weights, const tensor_name& name, std::size_t n, std::size_t k) {
      LOWBIT_TRY(scales_.open(weights, name, n, k));
      return codes_.open(weights, name, n, k, 0, 1);
    }
    void integers(std::size_t row, std::int8_t* out) const {  // (K) -1 and 1
      codes_.read(row, out,
                  [](unsigned bit) { return bit != 0 ? std::int8_t{-1} : std::int8_t{1}; });
    }
    [[nodiscard]] float scale(std::size_t row, std::size_t group_index = 0) const {
      return scales_.at(row, group_index);
    }
    void floats(std::size_t row, float* out) const {  // (K)
      const float s = scale(row);
      codes_.read(row, out, [s](unsigned bit) { return bit != 0 ? -s : s; });
    }
    void codes(std::size_t row, std::uint8_t* out) const {  // (K) 0 and 1
      codes_.read(row, out, [](unsigned bit) { return static_cast<std::uint8_t>(bit); });
    }
    void table(std::int8_t (&values)[16]) const {
      for (std::size_t c = 0; c < 16; ++c) values[c] = static_cast<std::int8_t>(c == 0 ? 1 : -1);
    }
    /// The stored bits of a row, row_bytes(K) bytes, as load_canonical_word expects.
    [[nodiscard]] const std::byte* canonical_row(std::size_t row) const { return codes_.row(row); }

   private:
    detail::packed_rows<1> codes_;
    detail::stored_scales<Scale> scales_;
  };
};

template <class Codec>
inline constexpr bool is_sign = false;
template <class Scale, class Center>
inline constexpr bool is_sign<sign<Scale, Center>> = true;

}  // namespace lowbit::inline LOWBIT_ISA
