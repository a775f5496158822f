// SPDX-License-Identifier: Apache-2.0
// The timed operations, as a table of plain functions per instruction set. kernels.cpp is compiled
// once for each; the programs around it are baseline code, so they run on any CPU and can report
// what they could not measure. Nothing from lowbit's inline namespace crosses this boundary.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lowbit/arch/list.hpp"

namespace lowbit_bench {

/// The two encodings that are multiplied; tags as in include/lowbit/kernel/op.hpp.
enum class product : std::uint8_t { f32, b1s, b1u, t2 };
inline constexpr product products[] = {product::f32, product::b1s, product::b1u, product::t2};
[[nodiscard]] constexpr const char* name_of(product p) {
  constexpr const char* names[] = {"f32", "b1s", "b1u", "t2"};
  return names[static_cast<std::size_t>(p)];
}

/// Post-processing of an accumulator.
enum class ending : std::uint8_t {
  plain,   ///< stored unchanged, int32 or float
  bits,    ///< compared with a threshold per output; one-bit products only
  floats,  ///< scaled and biased per output; one-bit products only
};

/// One product in the caller's memory: a (M, units), weights (N, K) packed, out (M, N).
struct operands {
  std::size_t m, n, k;
  const void* a;
  std::size_t a_stride;            // elements: floats, words or trit words
  const std::int32_t* row_counts;  // (M), b1u and t2
  const void* weights;             // packed_bytes(), aligned to 64
  const float* scale;              // (N)
  const float* bias;               // (N)
  const std::int32_t* thresholds;  // (N)
  void* out;
  std::size_t out_stride;  // elements: int32, float, or words of bits
};

struct kernels {
  const char* arch;
  /// The arch whose micro-kernel runs the product: this one or a fallback.
  const char* (*kernel_arch)(product);
  std::size_t (*packed_bytes)(product, std::size_t n, std::size_t k);
  /// rows: canonical one-bit rows, or floats (N, K)
  void (*pack)(product, const std::byte* rows, std::size_t n, std::size_t k, void* packed);
  void (*gemm)(product, ending, const operands&);

  /// A layer norm of d channels is stored in `memory` of layer_norm_bytes(d), aligned to 64.
  std::size_t (*layer_norm_bytes)(std::size_t d);
  void (*load_layer_norm)(const float* gamma, const float* beta, std::size_t d, std::byte* memory);
  void (*layer_norm)(const std::byte* memory, const float* x, std::size_t t, std::size_t stride,
                     float* out);
  /// Sign bits of x (T, D) into rows of words_for(D) words.
  void (*encode)(const float* x, std::size_t t, std::size_t d, std::size_t stride,
                 std::uint64_t* bits);
};

#define LOWBIT_BENCH_DECLARE(tag, ...) extern const kernels kernels_##tag;
LOWBIT_EACH_ARCH(LOWBIT_BENCH_DECLARE)
#undef LOWBIT_BENCH_DECLARE

}  // namespace lowbit_bench
