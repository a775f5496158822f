// SPDX-License-Identifier: Apache-2.0
// Errors as values. A status uses no heap and has the same type in translation units compiled for
// different instruction sets: it is outside the per-ISA namespaces, and its functions are always
// inlined.
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

namespace lowbit {

enum class errc : std::uint8_t {
  ok,
  invalid_argument,  ///< a bad value from the caller: a token id, an option, a policy that does not
                     ///< fit the model
  not_found,         ///< a missing file, tensor, field or label
  malformed,         ///< data that violates its format
  shape_mismatch,    ///< a tensor or view with the wrong extents
  unsupported,       ///< well-formed, but not supported by this library
  workspace_too_small,  ///< the caller's memory is too small; the message states the bytes needed
  io_error,             ///< the operating system reported an error
  not_finite,           ///< a value left the range of float32 during a run
};

/// Up to 500 bytes of text without a heap, 120 on a microcontroller, where it lies on a small
/// stack. Longer text is truncated and ends in "...".
class short_text {
 public:
  LOWBIT_INLINE constexpr short_text() {}
  LOWBIT_INLINE constexpr void put(std::string_view bytes) {
    if (cut_) return;
    if (bytes.size() > capacity - size_) {
      cut_ = true;
      if (size_ > capacity - 3) size_ = capacity - 3;
      while (size_ > 0 && (static_cast<unsigned char>(text_[size_]) & 0xC0U) == 0x80U) --size_;
      bytes = "...";
    }
    for (const char c : bytes) text_[size_++] = c;
  }
  [[nodiscard]] LOWBIT_INLINE constexpr std::string_view view() const { return {text_, size_}; }

 private:
  static constexpr std::size_t capacity = LOWBIT_HOSTED != 0 ? 500 : 120;

  bool cut_ = false;
  std::uint16_t size_ = 0;
  char text_[capacity] = {};
};

inline namespace LOWBIT_ISA {
namespace detail {

/// Messages contain names and text from files and are printed on terminals, so every part is
/// escaped to one printable line.
LOWBIT_NOINLINE constexpr void append(short_text& text, std::string_view part) {
  put_printable(part, [&](std::string_view bytes) { text.put(bytes); });
}

template <class T>
requires(std::is_integral_v<T>) LOWBIT_NOINLINE constexpr void append(short_text& text, T value) {
  char digits[24] = {};
  std::size_t n = sizeof digits;
  const bool negative = value < T{};
  auto rest = static_cast<std::uint64_t>(value);
  if (negative) rest = ~rest + 1;
  do digits[--n] = static_cast<char>('0' + rest % 10);
  while ((rest /= 10) != 0);
  if (negative) digits[--n] = '-';
  append(text, std::string_view{digits + n, sizeof digits - n});
}

template <class... Parts>
LOWBIT_NOINLINE constexpr void append_all(short_text& text, const Parts&... parts) {
  (append(text, parts), ...);
}

}  // namespace detail
}  // namespace LOWBIT_ISA

/// An error code and one printable line that names the file, tensor or field, what was found and
/// what was expected. Control characters and invalid UTF-8 are escaped as \n, \t, \r or \xNN.
class status {
 public:
  LOWBIT_INLINE constexpr status() {}

  /// status::error(errc::malformed, path, ": header of ", n, " bytes, expected at most ", limit)
  template <class... Parts>
  [[nodiscard]] LOWBIT_INLINE static constexpr status error(errc code, const Parts&... parts) {
    status s;
    s.code_ = code;
    detail::append_all(s.text_, parts...);
    return s;
  }

  [[nodiscard]] LOWBIT_INLINE constexpr bool ok() const { return code_ == errc::ok; }
  [[nodiscard]] LOWBIT_INLINE constexpr errc code() const { return code_; }
  [[nodiscard]] LOWBIT_INLINE constexpr std::string_view message() const { return text_.view(); }

  /// The same error with its location prepended: `place: message`.
  [[nodiscard]] LOWBIT_INLINE constexpr status in(std::string_view place) const {
    return ok() ? *this : error(code_, place, ": ", message());
  }

 private:
  errc code_ = errc::ok;
  short_text text_;
};

inline namespace LOWBIT_ISA {

/// A value, or the status that explains why there is none.
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
  /// By value: otherwise for (x : *f()) would iterate over a destroyed object.
  [[nodiscard]] T operator*() && { return std::move(*checked()); }
  [[nodiscard]] T* operator->() { return checked(); }
  [[nodiscard]] const T* operator->() const { return checked(); }

#if LOWBIT_HOSTED
  /// The value; throws std::runtime_error with the message if there is none. The only place where
  /// lowbit throws.
  [[nodiscard]] T& value() & {
    if (!ok()) throw std::runtime_error(std::string(status_.message()));
    return *value_;
  }
  [[nodiscard]] T value() && { return std::move(value()); }
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

}  // namespace LOWBIT_ISA
}  // namespace lowbit
