// SPDX-License-Identifier: Apache-2.0
// Canonical tensors in memory, for tests that need a weight_set without a file.
#pragma once

#include <cstring>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/boundary/weights.hpp"
#include "random.hpp"

namespace lowbit_test {

class tensor_store {
 public:
  tensor_store() = default;
  tensor_store(tensor_store&&) = default;
  tensor_store& operator=(tensor_store&&) = default;
  /// shape: {} a scalar, {n} a vector, {rows, cols} a matrix.
  void add(const std::string& name, const std::vector<std::size_t>& shape,
           const std::vector<float>& values) {
    std::vector<std::byte> bytes(values.size() * sizeof(float));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    add(name, shape, lowbit::element_type::f32, std::move(bytes));
  }
  void add_codes(const std::string& name, std::size_t rows, std::size_t row_bytes,
                 std::vector<std::byte> codes) {
    add(name, {rows, row_bytes}, lowbit::element_type::u8, std::move(codes));
  }
  /// Random one-bit rows (n, k) with clear pad bits.
  void add_random_codes(const std::string& name, std::size_t n, std::size_t k,
                        random_source& random) {
    const std::size_t row_bytes = (k + 7) / 8;
    std::vector<std::byte> codes(n * row_bytes);
    for (std::size_t r = 0; r < n; ++r) {
      for (std::size_t j = 0; j < k; ++j) {
        if (random.sign() < 0) codes[r * row_bytes + j / 8] |= static_cast<std::byte>(1U << j % 8);
      }
    }
    add_codes(name, n, row_bytes, std::move(codes));
  }

  [[nodiscard]] lowbit::weight_set weights() const { return {tensors_.data(), tensors_.size()}; }

  /// Access to a tensor's descriptor, and to its bytes, for tests that corrupt them.
  lowbit::stored_tensor& descriptor(const std::string& name) { return tensors_[index(name)]; }
  std::vector<std::byte>& bytes(const std::string& name) { return storage_[index(name)]; }
  void remove(const std::string& name) {
    const auto at = static_cast<std::ptrdiff_t>(index(name));
    tensors_.erase(tensors_.begin() + at);
    storage_.erase(storage_.begin() + at);
  }

  void add(const std::string& name, const std::vector<std::size_t>& shape,
           lowbit::element_type type, std::vector<std::byte> bytes) {
    names_.push_back(name);
    storage_.push_back(std::move(bytes));
    lowbit::stored_tensor t;
    t.name = names_.back().c_str();
    t.data = storage_.back().data();
    t.type = type;
    t.rank = shape.size();
    for (std::size_t i = 0; i < shape.size(); ++i) t.shape[i] = shape[i];
    tensors_.push_back(t);
  }

 private:
  [[nodiscard]] std::size_t index(const std::string& name) const {
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      if (name == tensors_[i].name) return i;
    }
    std::abort();  // unknown name: a bug in the test
  }

  std::deque<std::string> names_;
  std::vector<std::vector<std::byte>> storage_;  // moving a vector keeps its bytes in place
  std::vector<lowbit::stored_tensor> tensors_;
};

}  // namespace lowbit_test
