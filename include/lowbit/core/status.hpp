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

  /// Bytes of the UTF-8 character at the start of text that may stand in a line of output; 0 for a
  /// control character, for one that breaks a line or turns the direction of writing, and for bytes
  /// that are no UTF-8.
  static constexpr std::size_t printable_bytes(const char* text, std::size_t size) {
    const auto byte = [&](std::size_t i) {
      return i < size ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const unsigned a = byte(0);
    if (a < 0x80) return a < 0x20 || a == 0x7F ? 0 : 1;
    const std::size_t length = a < 0xC2 || a > 0xF4 ? 0 : a < 0xE0 ? 2 : a < 0xF0 ? 3 : 4;
    for (std::size_t i = 1; i < length; ++i) {
      if ((byte(i) & 0xC0U) != 0x80U) return 0;
    }
    if (length == 0) return 0;
    const unsigned two = a << 8U | byte(1);
    if (length == 2) return two < 0xC2A0 || two == 0xD89C ? 0 : 2;  // C1 controls; U+061C
    if (length == 4) return two < 0xF090 || two > 0xF48F ? 0 : 4;
    if (two < 0xE0A0 || (two >= 0xEDA0 && two <= 0xEDBF)) return 0;  // overlong; surrogates
    const unsigned c = byte(2);
    const bool breaks_or_turns =
        (two == 0xE280 && (c == 0x8E || c == 0x8F || (c >= 0xA8 && c <= 0xAE))) ||
        (two == 0xE281 && c >= 0xA6 && c <= 0xA9);  // U+200E, 200F, 2028 to 202E, 2066 to 2069
    return breaks_or_turns ? 0 : 3;
  }

  /// Names and texts of a file get into messages, and messages onto terminals: a message is one
  /// printable line whatever is appended.
  LOWBIT_NOINLINE constexpr void append(std::string_view part) {
    const char* text = part.data();
    for (std::size_t left = part.size(); left != 0;) {
      std::size_t length = printable_bytes(text, left);
      if (length != 0) {
        put(text, length);
      } else {
        length = 1;
        const auto byte = static_cast<unsigned char>(*text);
        constexpr const char* digits = "0123456789abcdef";
        const char hex[] = {'\\', 'x', digits[byte >> 4U], digits[byte & 15U]};
        const char letter[] = {'\\', byte == '\n' ? 'n' : byte == '\t' ? 't' : 'r'};
        const bool has_letter = byte == '\n' || byte == '\t' || byte == '\r';
        put(has_letter ? letter : hex, has_letter ? 2 : 4);
      }
      text += length;
      left -= length;
    }
  }

  /// Keeps the start, says that something is missing.
  constexpr void put(const char* bytes, std::size_t count) {
    if (cut_) return;
    if (count > capacity - size_) {
      cut_ = true;
      if (size_ > capacity - 3) size_ = capacity - 3;
      while (size_ > 0 && (static_cast<unsigned char>(text_[size_]) & 0xC0U) == 0x80U) --size_;
      bytes = "...";
      count = 3;
    }
    for (std::size_t i = 0; i < count; ++i) text_[size_++] = bytes[i];
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
