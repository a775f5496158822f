// SPDX-License-Identifier: Apache-2.0
// Standard output. A failed write (full disk, closed pipe, closed descriptor) is recorded, not
// thrown: commands print as if nothing happened, and check_output() reports the failure to main()
// and to commands that can stop early.
#pragma once

#include <fmt/core.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "lowbit/core/status.hpp"

namespace lowbit_tool {

/// Writes bytes verbatim.
void put_bytes(std::string_view bytes);

/// put("{} of {}\n", i, n). Text from files and users must go through escaped() first.
template <class... Values>
void put(fmt::format_string<Values...> format, Values&&... values) {
  put_bytes(fmt::format(format, std::forward<Values>(values)...));
}

/// One value and a newline; on one line without `indent`. Control characters are written as \u00NN,
/// and bytes that are not UTF-8 (possible in a path) become U+FFFD.
std::string json_line(const nlohmann::json& value, int indent = -1);
inline void put_json(const nlohmann::json& value, int indent = -1) {
  put_bytes(json_line(value, indent));
}

/// The first failure so far. Errors: io_error
lowbit::status check_output();
/// The same after flushing.
lowbit::status flush_output();

}  // namespace lowbit_tool
