// SPDX-License-Identifier: Apache-2.0
// Common wording of errors in the io layer, and the one place where exceptions of the standard
// library become a status. Independent of file formats. Names from files are truncated before they
// are added to a message; status escapes them.
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

/// `text` for use in a message: one printable line, truncated after `limit` bytes.
inline std::string printable(std::string_view text, std::size_t limit = 120) {
  const bool cut = text.size() > limit;
  std::size_t end = std::min(text.size(), limit);
  while (cut && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  std::string out(status::error(errc::ok, text.substr(0, end)).message());
  if (cut) out += "...";
  return out;
}

inline std::string quote_name(std::string_view text) { return '"' + printable(text) + '"'; }

/// `path: action: reason`, with the text of an errno value.
inline status os_error(std::string_view path, std::string_view action, int error_number) {
  return status::error(errc::io_error, path, ": ", action, ": ",
                       std::generic_category().message(error_number));
}

/// Returns body(), or a status if the standard library threw (in practice: out of memory).
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
