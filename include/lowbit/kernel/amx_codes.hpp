// SPDX-License-Identifier: Apache-2.0
// AMX register tiles for coded weights: 32 rows x 32 outputs in four accumulator tiles, 64 k per
// step, for blocks of rows large enough to fill them; the AVX-512 kernels do the rest. Both read
// the same panels: a unit of four k of sixteen outputs is one row of a weight tile, and tdpbsud
// multiplies signed activations by unsigned bytes as vpdpbusd does, with 32-bit sums and no
// saturation.
//
// Tiles are loaded whole and never past the end of a row: the remainders of K and of the rows are
// covered by a last tile that starts earlier. In it, weights of columns already summed are zero,
// and rows already done are written again.
#pragma once

#include "lowbit/kernel/avx512_codes.hpp"

#if LOWBIT_AMX

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// The compiler does not know what tile loads read (gcc 12 declares neither the 64 bytes of
/// ldtilecfg nor those of tileloadd). This compiler barrier completes earlier stores to `memory`
/// and to any escaped object.
LOWBIT_INLINE void before_tiles_read(const void* memory) {
  asm volatile("" : : "r"(memory) : "memory");
}

/// The operand of ldtilecfg.
struct alignas(64) tile_config {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};

}  // namespace detail

template <std::size_t Bits>
struct micro_kernel<code_dot<Bits>, amx> : micro_kernel<code_dot<Bits>, avx512> {
  using arch = amx;
  class tiles;
};

/// Tiles configured for one block of rows and released after it. Tile registers:
///
///                 weights of outputs 0..15 (6)   16..31 (7)
///   rows 0.. (4)             0                      1
///   rows 16.. (5)            2                      3
template <std::size_t Bits>
class micro_kernel<code_dot<Bits>, amx>::tiles {
 public:
  static constexpr std::size_t rows = 32;  // of one run()
  static constexpr std::size_t nr = micro_kernel<code_dot<Bits>, avx512>::nr;

  /// True if tiles pay off for a block. A single row is limited by loading the weights, which
  /// vpdpbusd does as fast without a configuration. A step reads 64 k.
  [[nodiscard]] static bool pay(std::size_t block_rows, std::size_t units) {
    return block_rows >= 2 && units >= step_units;
  }

  explicit tiles(std::size_t block_rows) : height_(block_rows < 16 ? block_rows : 16) {
    detail::tile_config config;
    for (std::size_t t = 0; t < 8; ++t) {
      config.row_bytes[t] = 64;
      config.rows[t] = static_cast<std::uint8_t>(t < 6 ? height_ : 16);
    }
    detail::before_tiles_read(&config);
    _tile_loadconfig(&config);
  }
  ~tiles() { _tile_release(); }
  tiles(const tiles&) = delete;
  tiles& operator=(const tiles&) = delete;

  /// Minimum number of rows of a run().
  [[nodiscard]] std::size_t height() const { return height_; }

  /// Computes acc (count, nr) for `count` rows, height() <= count <= 32.
  LOWBIT_NOINLINE void run(std::size_t count, const quad* a, std::size_t stride,
                           const std::byte* panel, std::size_t units, std::int32_t* acc) const {
    const std::size_t second = count - height_;
    if (second == 0) {
      run_tiles<1>(a, a, stride, panel, units, acc, acc);
    } else {
      run_tiles<2>(a, a + second * stride, stride, panel, units, acc, acc + second * nr);
    }
  }

 private:
  using decoder = detail::unit_decoder_avx512<Bits>;
  static constexpr std::size_t step_units = 16;
  static constexpr std::size_t unit_bytes = nr * 4;  // of decoded weights
  static constexpr std::size_t step_bytes = step_units * unit_bytes;

  /// Decodes the weights of units [first, first + 16); units below `from` become zero.
  static LOWBIT_INLINE void decode_step(const decoder& decode, const std::byte* w,
                                        std::size_t first, std::size_t from, std::byte* out) {
    for (std::size_t u = 0; u < step_units; ++u) {
      __m512i weights[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
      if (first + u >= from) decode.load(w + (first + u) * decoder::unit_bytes, weights);
      _mm512_store_si512(out + u * unit_bytes, weights[0]);
      _mm512_store_si512(out + u * unit_bytes + 64, weights[1]);
    }
  }

  template <int RowTiles>
  static LOWBIT_INLINE void step(const quad* a0, const quad* a1, std::size_t stride,
                                 const std::byte* w) {
    _tile_loadd(6, w, unit_bytes);
    _tile_loadd(4, a0, stride * sizeof(quad));
    _tile_dpbsud(0, 4, 6);
    _tile_loadd(7, w + 64, unit_bytes);
    _tile_dpbsud(1, 4, 7);
    if constexpr (RowTiles == 2) {
      _tile_loadd(5, a1, stride * sizeof(quad));
      _tile_dpbsud(2, 5, 6);
      _tile_dpbsud(3, 5, 7);
    }
  }

  template <int RowTiles>
  static LOWBIT_INLINE void run_tiles(const quad* a0, const quad* a1, std::size_t stride,
                                      const std::byte* panel, std::size_t units, std::int32_t* acc0,
                                      std::int32_t* acc1) {
    alignas(64) std::byte rest[step_bytes];
    const decoder decode(panel);
    const std::byte* w = panel + code_dot<Bits>::table_bytes;
    const std::size_t whole = units / step_units * step_units;
    _tile_zero(0);
    _tile_zero(1);
    if constexpr (RowTiles == 2) {
      _tile_zero(2);
      _tile_zero(3);
    }
    if (whole != units) decode_step(decode, w, units - step_units, whole, rest);
    detail::before_tiles_read(rest);
    if constexpr (Bits == 8) {
      for (std::size_t u = 0; u < whole; u += step_units)
        step<RowTiles>(a0 + u, a1 + u, stride, w + u * unit_bytes);
    } else {
      // Decodes two steps ahead, because a tile load waits for pending stores.
      constexpr std::size_t ahead = 2 * step_units;
      alignas(64) std::byte ring[4][step_bytes];
      const auto slot = [&](std::size_t u) { return ring[u / step_units % 4]; };
      for (std::size_t u = 0; u < ahead && u < whole; u += step_units)
        decode_step(decode, w, u, 0, slot(u));
      for (std::size_t u = 0; u < whole; u += step_units) {
        if (u + ahead < whole) decode_step(decode, w, u + ahead, 0, slot(u + ahead));
        detail::before_tiles_read(ring);
        step<RowTiles>(a0 + u, a1 + u, stride, slot(u));
      }
    }
    if (whole != units) {
      const std::size_t u = units - step_units;
      step<RowTiles>(a0 + u, a1 + u, stride, rest);
    }
    _tile_stored(0, acc0, nr * 4);
    _tile_stored(1, acc0 + 16, nr * 4);
    if constexpr (RowTiles == 2) {
      _tile_stored(2, acc1, nr * 4);
      _tile_stored(3, acc1 + 16, nr * 4);
    }
  }

  std::size_t height_;
};

}  // namespace lowbit::inline LOWBIT_ISA
#endif
