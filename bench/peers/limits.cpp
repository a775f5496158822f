// SPDX-License-Identifier: Apache-2.0
// Compiled once per instruction set; LOWBIT_BENCH_LIMITS names the table.
#include "limits.hpp"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace lowbit_bench {
namespace {

#if defined(__AVX2__)

constexpr std::size_t period = 64;  // steps before the operands repeat: 24 KiB at most
constexpr std::size_t rows = 4;

/// One tile of 4 rows x Ops::cols vectors: a row's unit is broadcast, a vector of weights loaded.
template <class Ops>
void tile(std::size_t steps) {
  using vector = typename Ops::vector;
  using row_units = typename Ops::unit[rows];
  using weight_vectors = unsigned char[Ops::cols][sizeof(vector)];
  alignas(64) static row_units activations[period];
  alignas(64) static weight_vectors all_weights[period];
  row_units* a = activations;
  weight_vectors* w = all_weights;
  asm volatile("" : "+r"(a), "+r"(w) : : "memory");  // hide from the compiler that all are zero
  vector sums[rows][Ops::cols];                      // in registers: every loop over it is unrolled
#pragma GCC unroll 4
  for (auto& row : sums) {
#pragma GCC unroll 4
    for (vector& sum : row) sum = Ops::zero();
  }
  for (std::size_t s = 0; s < steps; ++s) {
    const std::size_t at = s % period;
    vector weights[Ops::cols];
#pragma GCC unroll 4
    for (std::size_t c = 0; c < Ops::cols; ++c) weights[c] = Ops::load(w[at][c]);
#pragma GCC unroll 4
    for (std::size_t r = 0; r < rows; ++r) {
      const vector row = Ops::broadcast(a[at][r]);
#pragma GCC unroll 4
      for (std::size_t c = 0; c < Ops::cols; ++c)
        sums[r][c] = Ops::step(sums[r][c], row, weights[c]);
    }
  }
#pragma GCC unroll 4
  for (auto& row : sums) {
#pragma GCC unroll 4
    for (vector& sum : row) asm volatile("" : : "x"(sum));  // prevents dead code elimination
  }
}

template <class Ops>
constexpr limit_loop loop_of() {
  return {tile<Ops>, static_cast<double>(rows * Ops::cols * Ops::macs)};
}

#endif

#if defined(__AMX_INT8__) || defined(__AMXINT8__)

/// Four tiles of 16 x 16 sums from two tiles of activations and two of weights, 64 k per step.
struct alignas(64) tile_sizes {
  unsigned char palette = 1, start_row = 0, reserved[14] = {};
  unsigned short row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  unsigned char rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
void amx_tiles(std::size_t steps) {
  constexpr std::size_t tile = 1024, operands = 4;
  alignas(64) static unsigned char memory[operands * tile];
  const tile_sizes sizes;
  asm volatile("" : : "r"(&sizes), "r"(memory) : "memory");
  _tile_loadconfig(&sizes);
  for (std::size_t s = 0; s < steps; ++s) {
    _tile_loadd(4, memory, 64);
    _tile_loadd(5, memory + tile, 64);
    _tile_loadd(6, memory + 2 * tile, 64);
    _tile_loadd(7, memory + 3 * tile, 64);
    _tile_dpbsud(0, 4, 6);
    _tile_dpbsud(1, 4, 7);
    _tile_dpbsud(2, 5, 6);
    _tile_dpbsud(3, 5, 7);
  }
  _tile_release();
}
constexpr const char* arch_name = "amx";
constexpr limit_loop f32_loop{}, binary_loop{};
constexpr limit_loop int8_loop{amx_tiles, 4.0 * 16 * 16 * 64};

#elif defined(__AVX512F__)

struct f32_ops {
  using vector = __m512;
  using unit = float;
  static constexpr std::size_t cols = 4, macs = 16;
  static vector zero() { return _mm512_setzero_ps(); }
  static vector load(const void* p) { return _mm512_load_ps(p); }
  static vector broadcast(unit u) { return _mm512_set1_ps(u); }
  static vector step(vector sum, vector a, vector w) { return _mm512_fmadd_ps(a, w, sum); }
};

struct integer_ops {
  using vector = __m512i;
  static constexpr std::size_t cols = 4;
  static vector zero() { return _mm512_setzero_si512(); }
  static vector load(const void* p) { return _mm512_load_si512(p); }
};
#if defined(__AVX512VNNI__)
struct int8_ops : integer_ops {
  using unit = int;
  static constexpr std::size_t macs = 64;
  static vector broadcast(unit u) { return _mm512_set1_epi32(u); }
  static vector step(vector sum, vector a, vector w) { return _mm512_dpbusd_epi32(sum, a, w); }
};
constexpr limit_loop int8_loop = loop_of<int8_ops>();
#else
constexpr limit_loop int8_loop{};
#endif
#if defined(__AVX512VPOPCNTDQ__)
struct binary_ops : integer_ops {
  using unit = long long;
  static constexpr std::size_t macs = 512;
  static vector broadcast(unit u) { return _mm512_set1_epi64(u); }
  static vector step(vector sum, vector a, vector w) {
    return _mm512_add_epi64(sum, _mm512_popcnt_epi64(_mm512_xor_si512(a, w)));
  }
};
constexpr limit_loop binary_loop = loop_of<binary_ops>();
#else
constexpr limit_loop binary_loop{};
#endif
constexpr const char* arch_name = "avx512";
constexpr limit_loop f32_loop = loop_of<f32_ops>();

#elif defined(__AVX2__)

struct f32_ops {
  using vector = __m256;
  using unit = float;
  static constexpr std::size_t cols = 3, macs = 8;  // 12 sums: 16 registers in total
  static vector zero() { return _mm256_setzero_ps(); }
  static vector load(const void* p) { return _mm256_load_ps(static_cast<const float*>(p)); }
  static vector broadcast(unit u) { return _mm256_set1_ps(u); }
  static vector step(vector sum, vector a, vector w) { return _mm256_fmadd_ps(a, w, sum); }
};

struct integer_ops {
  using vector = __m256i;
  static constexpr std::size_t cols = 2;
  static vector zero() { return _mm256_setzero_si256(); }
  static vector load(const void* p) { return _mm256_load_si256(static_cast<const vector*>(p)); }
};
struct int8_ops : integer_ops {
  using unit = int;
  static constexpr std::size_t macs = 32;
  static vector broadcast(unit u) { return _mm256_set1_epi32(u); }
#if defined(__AVXVNNI__)
  static vector step(vector sum, vector a, vector w) { return _mm256_dpbusd_avx_epi32(sum, a, w); }
#else
  /// 16-bit pair sums, which would saturate for larger operands, widened immediately.
  static vector step(vector sum, vector a, vector w) {
    const vector pairs = _mm256_maddubs_epi16(a, w);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
#endif
};
/// Bit counts by table lookup, sixteen entries per nibble.
struct binary_ops : integer_ops {
  using unit = long long;
  static constexpr std::size_t macs = 256;
  static vector broadcast(unit u) { return _mm256_set1_epi64x(u); }
  static vector step(vector sum, vector a, vector w) {
    const vector table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                          0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const vector low = _mm256_set1_epi8(15);
    const vector x = _mm256_xor_si256(a, w);
    const vector halves =
        _mm256_add_epi8(_mm256_shuffle_epi8(table, _mm256_and_si256(x, low)),
                        _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(x, 4), low)));
    return _mm256_add_epi64(sum, _mm256_sad_epu8(halves, _mm256_setzero_si256()));
  }
};
#if defined(__AVXVNNI__)
constexpr const char* arch_name = "avx_vnni";
#else
constexpr const char* arch_name = "avx2";
#endif
constexpr limit_loop f32_loop = loop_of<f32_ops>();
constexpr limit_loop int8_loop = loop_of<int8_ops>();
constexpr limit_loop binary_loop = loop_of<binary_ops>();

#else

constexpr const char* arch_name = "scalar";
constexpr limit_loop f32_loop{}, int8_loop{}, binary_loop{};

#endif

}  // namespace

extern const limit_loops LOWBIT_BENCH_LIMITS;
const limit_loops LOWBIT_BENCH_LIMITS = {arch_name, f32_loop, int8_loop, binary_loop};

}  // namespace lowbit_bench
