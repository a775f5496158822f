// SPDX-License-Identifier: Apache-2.0
// Memory that ends exactly where an unreadable page begins, so reading past the end crashes. Every
// byte is initially `poison`.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace lowbit_test {

template <class T>
class guarded {
 public:
  explicit guarded(std::size_t count, unsigned char poison = 0xA5) : count_(count) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t bytes = count * sizeof(T);
    const std::size_t body = (bytes + page - 1) / page * page;
    mapped_ = body + 2 * page;
    void* memory =
        mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) std::abort();
    base_ = static_cast<std::byte*>(memory);
    std::memset(base_, poison, mapped_);
    if (mprotect(base_, page, PROT_NONE) != 0) std::abort();
    if (mprotect(base_ + page + body, page, PROT_NONE) != 0) std::abort();
    data_ = reinterpret_cast<T*>(base_ + page + body - bytes);
  }
  ~guarded() { munmap(base_, mapped_); }
  guarded(const guarded&) = delete;
  guarded& operator=(const guarded&) = delete;

  [[nodiscard]] T* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] T* begin() const { return data_; }
  [[nodiscard]] T* end() const { return data_ + count_; }
  [[nodiscard]] T& operator[](std::size_t i) const { return data_[i]; }

 private:
  std::size_t count_ = 0;
  std::size_t mapped_ = 0;
  std::byte* base_ = nullptr;
  T* data_ = nullptr;
};

/// A copy of `values` that ends at a guard page.
template <class Values>
class guarded_copy : public guarded<typename Values::value_type> {
 public:
  explicit guarded_copy(const Values& values)
      : guarded<typename Values::value_type>(values.size()) {
    for (std::size_t i = 0; i < values.size(); ++i) (*this)[i] = values[i];
  }
};

}  // namespace lowbit_test
