// SPDX-License-Identifier: Apache-2.0
// Allocates from memory that the caller provides. One layout function runs twice: on a measuring
// arena for the size (constexpr, so an embedded build can size a static array) and on a real one
// for the pointers. The two cannot disagree.
#pragma once

#include "lowbit/core/bits.hpp"
#include "lowbit/core/config.hpp"
#include "lowbit/core/status.hpp"
#include "lowbit/tensor/matrix_view.hpp"

#if LOWBIT_HOSTED
#include <cstdlib>
#include <memory>
#include <new>
#endif

namespace lowbit::inline LOWBIT_ISA {

/// What a loader finds in an arena's memory.
enum class arena_contents : std::uint8_t {
  nothing,  ///< fills it
  packed,   ///< the bytes that the same loader left in it: only takes pointers, never writes
};

class arena {
 public:
  /// A measuring arena: take() returns null and only counts bytes.
  constexpr arena() = default;
  /// Allocates from `bytes` bytes at `memory`, which must be aligned to buffer_alignment.
  constexpr arena(std::byte* memory, std::size_t bytes) : memory_(memory), capacity_(bytes) {}

  /// A measuring arena that counts objects apart.
  [[nodiscard]] static constexpr arena measure_apart() {
    arena a;
    a.apart_ = true;
    return a;
  }
  /// With objects in memory of their own, so that the rest, which holds no pointers, can be stored
  /// and used as `packed` later, perhaps on another machine.
  arena(std::byte* memory, std::size_t bytes, std::byte* objects, std::size_t object_bytes,
        arena_contents contents)
      : memory_(memory),
        capacity_(bytes),
        objects_(objects),
        object_capacity_(object_bytes),
        apart_(true),
        contents_(contents) {}

  template <class T>
  [[nodiscard]] constexpr T* take(std::size_t count) {
    const std::size_t begin = position_;
    position_ += round_up(count * sizeof(T), buffer_alignment);
    if (position_ > used_) used_ = position_;
    if (memory_ == nullptr) return nullptr;
    LOWBIT_EXPECTS(position_ <= capacity_);  // the caller measured first
    return reinterpret_cast<T*>(memory_ + begin);
  }
  template <class T>
  [[nodiscard]] constexpr matrix_view<T> take_matrix(std::size_t rows, std::size_t cols,
                                                     std::size_t stride) {
    return {take<T>(rows * stride), rows, cols, stride};
  }
  template <class T>
  [[nodiscard]] constexpr vector_view<T> take_vector(std::size_t count) {
    return {take<T>(count), count};
  }
  /// Like take_vector, for objects that may hold pointers.
  template <class T>
  [[nodiscard]] constexpr vector_view<T> take_objects(std::size_t count) {
    if (!apart_) return take_vector<T>(count);
    const std::size_t begin = objects_used_;
    objects_used_ += round_up(count * sizeof(T), buffer_alignment);
    if (memory_ == nullptr) return {nullptr, count};
    LOWBIT_EXPECTS(objects_used_ <= object_capacity_);
    return {reinterpret_cast<T*>(objects_ + begin), count};
  }

  /// Peak number of bytes in use.
  [[nodiscard]] constexpr std::size_t used() const { return used_; }
  /// Bytes of objects kept apart.
  [[nodiscard]] constexpr std::size_t objects_used() const { return objects_used_; }
  [[nodiscard]] constexpr bool measuring() const { return memory_ == nullptr; }
  /// Whether a loader writes to what it takes.
  [[nodiscard]] constexpr bool fills() const {
    return memory_ != nullptr && contents_ == arena_contents::nothing;
  }

  [[nodiscard]] constexpr std::size_t position() const { return position_; }
  /// Frees everything taken since position() returned `mark`.
  constexpr void rewind(std::size_t mark) { position_ = mark; }

 private:
  std::byte* memory_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t position_ = 0;
  std::size_t used_ = 0;
  std::byte* objects_ = nullptr;
  std::size_t object_capacity_ = 0;
  std::size_t objects_used_ = 0;
  bool apart_ = false;
  arena_contents contents_ = arena_contents::nothing;
};

#if LOWBIT_HOSTED
/// Owned, aligned, uninitialised bytes for callers that have a heap.
class aligned_buffer {
 public:
  aligned_buffer() = default;
  /// If allocation fails, data() is null and size() is 0.
  explicit aligned_buffer(std::size_t bytes)
      : data_(static_cast<std::byte*>(std::aligned_alloc(
            buffer_alignment, round_up(bytes == 0 ? 1 : bytes, buffer_alignment)))),
        size_(data_ == nullptr ? 0 : bytes) {}
  [[nodiscard]] std::byte* data() const { return data_.get(); }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  struct release {
    void operator()(std::byte* p) const { std::free(p); }
  };
  std::unique_ptr<std::byte, release> data_;
  std::size_t size_ = 0;
};
#endif

}  // namespace lowbit::inline LOWBIT_ISA
