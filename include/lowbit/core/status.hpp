// SPDX-License-Identifier: Apache-2.0
// Errors as values. A status is a plain object (no heap), so it can cross the boundary between
// translation units that were compiled for different instruction sets, and works in an embedded
// build.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "lowbit/core/config.hpp"
#include "lowbit/core/printable.hpp"

#if LOWBIT_HOSTED
#include <stdexcept>
#include <string>
#endif

namespace lowbit::inline LOWBIT_ISA {

enum class errc : std::uint8_t {
  ok,
  invalid_argument,     ///< a value that the caller gave: a token id, an option, a policy that does
                        ///< not fit
  not_found,            ///< a file, tensor, field or label that is not there
  malformed,            ///< bytes that are not what their format says
  shape_mismatch,       ///< a tensor or view of the wrong extents
  unsupported,          ///< well-formed, but not something this library computes
  workspace_too_small,  ///< the caller's memory; the message holds the bytes that are needed
  io_error,             ///< the operating system said no
  not_finite,           ///< a value of a run left the range of float32
};

/// A code and one printable line that names the file, tensor or field, what was found and what was
/// expected. Control characters and bytes that are no UTF-8 stand in it as \n, \t, \r or \xNN.
class status {
 public:
  constexpr status() = default;

  /// status::error(errc::malformed, path, ": header of ", n, " bytes, expected at most ", limit)
  template <class... Parts>
  [[nodiscard]] LOWBIT_NOINLINE static constexpr status error(errc code, const Parts&... parts) {
    status s;
    s.code_ = code;
    (s.append(parts), ...);
    return s;
  }

  [[nodiscard]] constexpr bool ok() const { return code_ == errc::ok; }
  [[nodiscard]] constexpr errc code() const { return code_; }
  [[nodiscard]] constexpr std::string_view message() const { return {text_, size_}; }

  /// The same error with the place it happened in front: `prefix: message`.
  [[nodiscard]] constexpr status in(std::string_view place) const {
    return ok() ? *this : error(code_, place, ": ", message());
  }

 private:
  static constexpr std::size_t capacity = 500;

  /// Names and texts of a file get into messages, and messages onto terminals: a message is one
  /// printable line whatever is appended.
  LOWBIT_NOINLINE constexpr void append(std::string_view part) {
    detail::put_printable(part, [this](std::string_view bytes) { put(bytes); });
  }

  /// Keeps the start, says that something is missing.
  constexpr void put(std::string_view bytes) {
    if (cut_) return;
    if (bytes.size() > capacity - size_) {
      cut_ = true;
      if (size_ > capacity - 3) size_ = capacity - 3;
      while (size_ > 0 && (static_cast<unsigned char>(text_[size_]) & 0xC0U) == 0x80U) --size_;
      bytes = "...";
    }
    for (const char c : bytes) text_[size_++] = c;
  }

  template <class T>
  requires(std::is_integral_v<T>) LOWBIT_NOINLINE constexpr void append(T value) {
    char digits[24] = {};
    std::size_t n = sizeof digits;
    const bool negative = value < T{};
    auto rest = static_cast<std::uint64_t>(value);
    if (negative) rest = ~rest + 1;
    do digits[--n] = static_cast<char>('0' + rest % 10);
    while ((rest /= 10) != 0);
    if (negative) digits[--n] = '-';
    append(std::string_view{digits + n, sizeof digits - n});
  }

  errc code_ = errc::ok;
  bool cut_ = false;
  std::uint16_t size_ = 0;
  char text_[capacity] = {};
};

/// A value or the status that says why there is none.
template <class T>
class [[nodiscard]] result {
 public:
  result(T value) : value_(std::move(value)) {}
  result(const lowbit::status& error) : status_(error) { LOWBIT_EXPECTS(!error.ok()); }

  [[nodiscard]] bool ok() const { return value_.has_value(); }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] const lowbit::status& status() const { return status_; }

  [[nodiscard]] T& operator*() & { return *checked(); }
  [[nodiscard]] const T& operator*() const& { return *checked(); }
  [[nodiscard]] T&& operator*() && { return std::move(*checked()); }
  [[nodiscard]] T* operator->() { return checked(); }
  [[nodiscard]] const T* operator->() const { return checked(); }

#if LOWBIT_HOSTED
  /// The value, or std::runtime_error with the message: the one place where lowbit throws.
  [[nodiscard]] T& value() & {
    if (!ok()) throw std::runtime_error(std::string(status_.message()));
    return *value_;
  }
  [[nodiscard]] T&& value() && { return std::move(value()); }
#endif

 private:
  [[nodiscard]] T* checked() {
    LOWBIT_EXPECTS(ok());
    return &*value_;
  }
  [[nodiscard]] const T* checked() const {
    LOWBIT_EXPECTS(ok());
    return &*value_;
  }

  std::optional<T> value_;
  lowbit::status status_;
};

}  // namespace lowbit::inline LOWBIT_ISA
