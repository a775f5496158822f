// SPDX-License-Identifier: Apache-2.0
// How the io layer words its errors, and the one net that turns an exception of the standard
// library into a status. Must not know any file format. Names found inside a file are cut before
// they reach a message; status escapes them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <system_error>

#include "lowbit/core/config.hpp"
#include "lowbit/core/status.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// `text` as it stands in a message: one printable line, cut after `limit` bytes.
inline std::string printable(std::string_view text, std::size_t limit = 120) {
  const bool cut = text.size() > limit;
  std::size_t end = std::min(text.size(), limit);
  while (cut && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  std::string out(status::error(errc::ok, text.substr(0, end)).message());
  if (cut) out += "...";
  return out;
}

inline std::string quote_name(std::string_view text) { return '"' + printable(text) + '"'; }

/// `path: cannot do: reason`, with the text of an errno value.
inline status os_error(std::string_view path, std::string_view action, int error_number) {
  return status::error(errc::io_error, path, ": ", action, ": ",
                       std::generic_category().message(error_number));
}

/// The value of body(), or a status when the standard library threw (in practice: no memory).
template <class Body>
auto without_exceptions(std::string_view place, Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return status::error(errc::io_error, place, ": out of memory");
  } catch (const std::exception& error) {
    return status::error(errc::io_error, place, ": ", error.what());
  }
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
