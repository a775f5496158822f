// SPDX-License-Identifier: Apache-2.0
// Scales and thresholds as the training programs of TernaryBERT, BinaryBERT and BiT compute them on
// a CPU. PyTorch's float 1-norm is a single float sum in element order, up to 1e-5 off the true
// mean, which moves weights across a ternary threshold and activations across a rounding step.
// Matrices larger than running_mean_limit use true means: there a float sum loses whole digits, and
// the GPUs that evaluate such models do not sum in that order.
#pragma once

#include "lowbit/codec/encode.hpp"
#include "lowbit/codec/ternary.hpp"

#if LOWBIT_HOSTED

namespace lowbit::inline LOWBIT_ISA {

inline constexpr std::size_t running_mean_limit = std::size_t{1} << 18;

/// Mean of |w|, summed in row-major order.
[[nodiscard]] inline float running_mean_magnitude(matrix_view<const float> w) {
  const std::size_t count = w.rows * w.cols;
  float sum = 0.0F;
  double exact = 0.0;
  for (std::size_t r = 0; r < w.rows; ++r) {
    for (std::size_t j = 0; j < w.cols; ++j) {
      const float magnitude = w(r, j) < 0.0F ? -w(r, j) : w(r, j);
      sum += magnitude;
      exact += static_cast<double>(magnitude);
    }
  }
  if (count == 0) return 0.0F;
  if (count > running_mean_limit) return static_cast<float>(exact / static_cast<double>(count));
  return sum / static_cast<float>(count);
}

/// One-bit codes with the running mean as scale; 0 where encode() gives 0. Centers are true means.
/// Errors: invalid_argument naming a non-finite weight
template <class Scale, class Center>
result<encoded_matrix> encode_with_running_mean(sign<Scale, Center> codec,
                                                matrix_view<const float> w) {
  auto out = encode(codec, w);
  if (!out) return out;
  std::vector<float> scales;
  LOWBIT_TRY(detail::for_each_block<Scale>(w, [&](const detail::scale_block& block) -> status {
    scales.push_back(running_mean_magnitude(block.weights));
    return {};
  }));
  for (encoded_tensor& t : out->tensors) {
    if (t.suffix != ".scale") continue;
    for (std::size_t i = 0; i < scales.size(); ++i) {
      float exact = 0.0F;
      std::byte* at = t.bytes.data() + i * sizeof(float);
      std::memcpy(&exact, at, sizeof(float));
      if (exact != 0.0F) std::memcpy(at, &scales[i], sizeof(float));
    }
  }
  return out;
}

/// Ternary codes (TWN) with a threshold of 0.7 times the running mean; the scale is a true mean.
/// Errors: invalid_argument naming a non-finite weight
template <class Scale>
result<encoded_matrix> encode_with_running_mean(ternary<Scale> codec, matrix_view<const float> w) {
  LOWBIT_TRY(detail::check_finite_weights(w));
  const std::size_t row_bytes = codec.row_bytes(w.cols);
  std::vector<std::byte> codes(w.rows * row_bytes);
  std::vector<float> scales;
  LOWBIT_TRY(detail::for_each_block<Scale>(w, [&](const detail::scale_block& block) -> status {
    const float threshold = 0.7F * running_mean_magnitude(block.weights);
    double sum = 0.0;
    std::size_t nonzeros = 0;
    for (std::size_t r = 0; r < block.weights.rows; ++r) {
      for (std::size_t j = 0; j < block.weights.cols; ++j) {
        const float value = block.weights(r, j);
        const float magnitude = value < 0.0F ? -value : value;
        if (!(magnitude > threshold)) continue;
        sum += static_cast<double>(magnitude);
        ++nonzeros;
        detail::write_code<2>(codes.data() + (block.row + r) * row_bytes, block.column + j,
                              value > 0.0F ? 1 : 2);
      }
    }
    scales.push_back(nonzeros == 0 ? 0.0F
                                   : static_cast<float>(sum / static_cast<double>(nonzeros)));
    return {};
  }));
  encoded_matrix out;
  out.add(".codes", element_type::u8, {w.rows, row_bytes}, codes);
  out.add(".scale", element_type::f32, detail::scale_shape<Scale>(w.rows, w.cols), scales);
  return out;
}

}  // namespace lowbit::inline LOWBIT_ISA

#endif
