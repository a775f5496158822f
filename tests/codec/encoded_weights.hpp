// SPDX-License-Identifier: Apache-2.0
// An encoded matrix as a reader meets it: tensors "m.weight" + suffix in memory that ends at a
// guard page, at whatever alignment that gives, and a way to break them.
#pragma once

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <deque>
#include <limits>
#include <string>
#include <vector>

#include "../io/expect_error.hpp"
#include "../support/guarded.hpp"
#include "../support/random.hpp"
#include "lowbit/codec/encode.hpp"

namespace lowbit_test {

inline const lowbit::tensor_name matrix_name{"m.weight"};

class encoded_weights {
 public:
  explicit encoded_weights(const lowbit::encoded_matrix& m) {
    for (const lowbit::encoded_tensor& t : m.tensors) {
      suffixes_.push_back(t.suffix);
      names_.push_back("m.weight" + t.suffix);
      memory_.emplace_back(t.bytes);
      lowbit::stored_tensor stored;
      stored.name = names_.back().c_str();
      stored.data = memory_.back().data();
      stored.type = t.type;
      stored.rank = t.shape.size();
      for (std::size_t i = 0; i < t.shape.size(); ++i) stored.shape[i] = t.shape[i];
      tensors_.push_back(stored);
    }
  }
  [[nodiscard]] lowbit::weight_set weights() const { return {tensors_.data(), tensors_.size()}; }
  lowbit::stored_tensor& descriptor(const std::string& suffix) { return tensors_[index(suffix)]; }
  std::byte& byte(const std::string& suffix, std::size_t i) { return memory_[index(suffix)][i]; }
  void remove(const std::string& suffix) { descriptor(suffix).name = "removed"; }
  template <class T>
  void set(const std::string& suffix, std::size_t i, T value) {
    std::memcpy(memory_[index(suffix)].data() + i * sizeof value, &value, sizeof value);
  }
  template <class T>
  [[nodiscard]] T get(const std::string& suffix, std::size_t i) {
    return descriptor(suffix).template read<T>(i);
  }

 private:
  std::size_t index(const std::string& suffix) const {
    for (std::size_t i = 0; i < suffixes_.size(); ++i) {
      if (suffixes_[i] == suffix) return i;
    }
    std::abort();  // a test that names no tensor
  }

  std::deque<std::string> suffixes_, names_;
  std::deque<guarded_copy<std::vector<std::byte>>> memory_;
  std::vector<lowbit::stored_tensor> tensors_;
};

/// encode() of w (n, k), which must succeed.
template <class Codec>
lowbit::encoded_matrix encode_matrix(const std::vector<float>& w, std::size_t n, std::size_t k) {
  const guarded_copy weights(w);
  auto encoded = encode(Codec{}, lowbit::matrix_view<const float>{weights.data(), n, k, k});
  INFO(encoded.status().message());
  REQUIRE(encoded.ok());
  return *std::move(encoded);
}

/// An encoded matrix and its open reader.
template <class Codec>
struct stored_matrix {
  stored_matrix(const std::vector<float>& w, std::size_t rows, std::size_t cols)
      : n(rows), k(cols), encoded(encode_matrix<Codec>(w, n, k)), tensors(encoded) {
    const lowbit::status opened = open();
    INFO(opened.message());
    REQUIRE(opened.ok());
  }
  lowbit::status open() { return reader.open(tensors.weights(), matrix_name, n, k); }

  std::vector<float> floats(std::size_t row) const {
    const guarded<float> out(k);
    reader.floats(row, out.data());
    return {out.begin(), out.end()};
  }
  std::vector<std::int8_t> integers(std::size_t row) const {
    const guarded<std::int8_t> out(k);
    reader.integers(row, out.data());
    return {out.begin(), out.end()};
  }
  std::vector<std::uint8_t> codes(std::size_t row) const {
    const guarded<std::uint8_t> out(k);
    reader.codes(row, out.data());
    return {out.begin(), out.end()};
  }

  std::size_t n, k;
  lowbit::encoded_matrix encoded;
  encoded_weights tensors;
  typename Codec::reader reader;
};

/// The three readings of an integer codec agree: integers, table of codes (if any), floats.
template <class Codec>
void check_readings_agree(const stored_matrix<Codec>& m) {
  const std::size_t group = Codec::reader::group == 0 ? m.k : Codec::reader::group;
  for (std::size_t r = 0; r < m.n; ++r) {
    const auto integers = m.integers(r);
    const auto floats = m.floats(r);
    std::size_t different = 0;
    for (std::size_t j = 0; j < m.k; ++j) {
      if (integers[j] == -128) ++different;
      const float value = static_cast<float>(integers[j]) * m.reader.scale(r, j / group);
      if (!(floats[j] == value)) ++different;
    }
    if constexpr (Codec::kernel_bits < 8) {
      std::int8_t table[16];
      m.reader.table(table);
      const auto codes = m.codes(r);
      for (std::size_t j = 0; j < m.k; ++j) {
        if (codes[j] >= 1U << Codec::kernel_bits || table[codes[j]] != integers[j]) ++different;
      }
    }
    CHECK(different == 0);
  }
}

/// Encoding refuses what is not finite, by place and value, and repeats itself to the byte; a view
/// with gaps between rows gives the same as one without.
template <class Codec>
void check_encoding_contract(const std::vector<float>& w, std::size_t n, std::size_t k) {
  const auto same = [](const lowbit::encoded_matrix& a, const lowbit::encoded_matrix& b) {
    bool equal = a.tensors.size() == b.tensors.size();
    for (std::size_t i = 0; equal && i < a.tensors.size(); ++i) {
      equal = a.tensors[i].suffix == b.tensors[i].suffix &&
              a.tensors[i].type == b.tensors[i].type && a.tensors[i].shape == b.tensors[i].shape &&
              a.tensors[i].bytes == b.tensors[i].bytes;
    }
    return equal;
  };
  const auto first = encode_matrix<Codec>(w, n, k);
  CHECK(same(first, encode_matrix<Codec>(w, n, k)));
  for (const lowbit::encoded_tensor& t : first.tensors) {
    std::size_t elements = 1;
    for (const std::size_t extent : t.shape) elements *= extent;
    CHECK(t.bytes.size() == elements * lowbit::size_of(t.type));
  }

  std::vector<float> wide(n * (k + 3), 1e30F);
  for (std::size_t i = 0; i < n * k; ++i) wide[i / k * (k + 3) + i % k] = w[i];
  const auto strided = encode(Codec{}, lowbit::matrix_view<const float>{wide.data(), n, k, k + 3});
  REQUIRE(strided.ok());
  CHECK(same(first, *strided));

  const std::string place = "row " + std::to_string(n - 1) + " column " + std::to_string(k - 1);
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity()}) {
    std::vector<float> broken = w;
    broken.back() = bad;
    const auto refused = encode(Codec{}, lowbit::matrix_view<const float>{broken.data(), n, k, k});
    expect_error(refused.status(), lowbit::errc::invalid_argument,
                 {place, std::isnan(bad) ? "nan" : "inf", "expected a finite number"});
  }
}

}  // namespace lowbit_test
