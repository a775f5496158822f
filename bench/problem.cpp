// SPDX-License-Identifier: Apache-2.0
#include "problem.hpp"

#include <cmath>
#include <random>

#include "lowbit/gemm/reference.hpp"
#include "lowbit/kernel/op.hpp"

namespace lowbit_bench {

using lowbit::word;
using lowbit::word_bits;

problem::problem(product p, gemm_shape shape, std::uint64_t seed) : product_(p), shape_(shape) {
  const auto [m, n, k] = shape_;
  std::mt19937 random(static_cast<std::uint32_t>(seed));
  std::uniform_real_distribution<float> uniform(-1.0F, 1.0F);
  for (std::size_t o = 0; o < n; ++o) {
    scale_.push_back(0.03F + 0.01F * uniform(random));
    bias_.push_back(uniform(random));
    thresholds_.push_back(static_cast<std::int32_t>(16.0F * uniform(random)));
  }
  out_stride_ = lowbit::float_stride(n);
  out_ = lowbit::aligned_buffer(m * out_stride_ * sizeof(float));
  a_values_.resize(m * k);
  w_values_.resize(n * k);
  if (product_ != product::f32) {
    fill_codes(seed);
    return;
  }
  for (float& v : a_values_) v = uniform(random);
  for (float& v : w_values_) v = uniform(random);
  a_stride_ = lowbit::float_stride(k);
  a_ = lowbit::aligned_buffer(m * a_stride_ * sizeof(float));
  for (std::size_t r = 0; r < m; ++r)
    std::memcpy(a_.data() + r * a_stride_ * sizeof(float), &a_values_[r * k], k * sizeof(float));
}

void problem::fill_codes(std::uint64_t seed) {
  const auto [m, n, k] = shape_;
  std::mt19937 random(static_cast<std::uint32_t>(seed));
  a_codes_.resize(m * k);
  w_codes_.resize(n * k);
  canonical_.resize(n * lowbit::bytes_for(k));
  for (std::size_t i = 0; i < n * k; ++i) {
    const bool negative = (random() & 1U) != 0;
    w_codes_[i] = negative ? -1 : 1;
    w_values_[i] = negative ? -1.0F : 1.0F;
    if (negative)
      canonical_[i / k * lowbit::bytes_for(k) + i % k / 8] |=
          static_cast<std::byte>(1U << i % k % 8);
  }
  const std::size_t words = lowbit::words_for(k);
  const std::size_t planes = product_ == product::t2 ? 2 : 1;  // trit words: sign, nonzero
  a_stride_ = words;
  a_ = lowbit::aligned_buffer(m * words * planes * sizeof(word));
  auto* bits = reinterpret_cast<word*>(a_.data());
  std::fill(bits, bits + m * words * planes, word{0});
  for (std::size_t r = 0; r < m; ++r) {
    std::int32_t count = 0;
    for (std::size_t j = 0; j < k; ++j) {
      const bool bit = (random() & 1U) != 0;
      const bool nonzero = product_ != product::t2 || random() % 4 != 0;
      const int sign = product_ == product::b1u ? (bit ? 1 : 0) : (bit ? -1 : 1);
      const int code = nonzero ? sign : 0;
      a_codes_[r * k + j] = static_cast<std::int8_t>(code);
      a_values_[r * k + j] = static_cast<float>(code);
      count += code != 0 ? 1 : 0;
      word* at = bits + (r * words + j / word_bits) * planes;
      const word one = word{1} << j % word_bits;
      if (bit && nonzero) at[0] |= one;
      if (planes == 2 && nonzero) at[1] |= one;
    }
    row_counts_.push_back(count);
  }
}

void problem::pack_for(const kernels& table) {
  table_ = &table;
  packed_ = lowbit::aligned_buffer(table.packed_bytes(product_, shape_.n, shape_.k));
  const auto* rows = product_ == product::f32 ? reinterpret_cast<const std::byte*>(w_values_.data())
                                              : canonical_.data();
  table.pack(product_, rows, shape_.n, shape_.k, packed_.data());
}

operands problem::operands_of(ending e) const {
  return {shape_.m,       shape_.n,
          shape_.k,       a_.data(),
          a_stride_,      row_counts_.data(),
          packed_.data(), scale_.data(),
          bias_.data(),   thresholds_.data(),
          out_.data(),    e == ending::bits ? lowbit::words_for(shape_.n) : out_stride_};
}

void problem::run(ending e) { table_->gemm(product_, e, operands_of(e)); }

template <class Value>
std::vector<Value> problem::reference_row(std::size_t m) const {
  const auto [rows, n, k] = shape_;
  std::vector<Value> out(n);
  const lowbit::matrix_view<Value> result{out.data(), 1, n, n};
  if constexpr (std::is_same_v<Value, float>) {
    lowbit::reference_gemm<float, float>({&a_values_[m * k], 1, k, k}, {w_values_.data(), n, k, k},
                                         result);
  } else {
    lowbit::reference_gemm<std::int8_t, std::int32_t>({&a_codes_[m * k], 1, k, k},
                                                      {w_codes_.data(), n, k, k}, result);
  }
  return out;
}

bool problem::row_is_right(ending e, std::size_t m) const {
  const std::byte* out = out_.data();
  const auto value = [&]<class T>(T, std::size_t o) {
    T v;
    std::memcpy(&v, out + (m * out_stride_ + o) * sizeof(T), sizeof v);
    return v;
  };
  if (product_ == product::f32) {
    const auto row = reference_row<float>(m);
    for (std::size_t o = 0; o < shape_.n; ++o) {
      if (!(value(0.0F, o) == row[o])) return false;
    }
    return true;
  }
  const auto row = reference_row<std::int32_t>(m);
  const auto* bits = reinterpret_cast<const word*>(out) + m * lowbit::words_for(shape_.n);
  for (std::size_t o = 0; o < shape_.n; ++o) {
    bool right = false;
    if (e == ending::plain) {
      right = value(std::int32_t{}, o) == row[o];
    } else if (e == ending::floats) {
      right = value(0.0F, o) == std::fma(static_cast<float>(row[o]), scale_[o], bias_[o]);
    } else {
      right = (lowbit::extract_bits(bits, o, 1) == 1) == (row[o] < thresholds_[o]);
    }
    if (!right) return false;
  }
  return true;
}

std::string problem::check(ending e) {
  std::memset(out_.data(), e == ending::bits ? 0 : 0xff, out_.size());
  run(e);
  constexpr std::size_t rows = 8;  // the first and the last rows: whole tiles and the tail
  for (std::size_t m = 0; m < shape_.m; ++m) {
    if (m >= rows && m + rows < shape_.m) continue;
    if (!row_is_right(e, m)) {
      return std::string(name_of(product_)) + " on " + table_->arch + ", M " +
             std::to_string(shape_.m) + " N " + std::to_string(shape_.n) + " K " +
             std::to_string(shape_.k) + ": row " + std::to_string(m) +
             " differs from the reference";
    }
  }
  return {};
}

}  // namespace lowbit_bench
