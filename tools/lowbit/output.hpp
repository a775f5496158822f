// SPDX-License-Identifier: Apache-2.0
// Standard output. A write that fails (a full disk, a reader that is gone, a closed descriptor)
// is remembered, not thrown: verbs print as if all went well, and check_output() tells those that
// could stop early, and main(), what happened.
#pragma once

#include <fmt/core.h>

#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "lowbit/core/status.hpp"

namespace lowbit_tool {

/// Bytes as they are.
void put_bytes(std::string_view bytes);

/// put("{} of {}\n", i, n). Text of files and users goes through escaped() first.
template <class... Values>
void put(fmt::format_string<Values...> format, Values&&... values) {
  put_bytes(fmt::format(format, std::forward<Values>(values)...));
}

/// One value and a newline; on one line without `indent`. Control characters are written as \u00NN,
/// bytes that are not UTF-8 (a path may have some) become U+FFFD.
void put_json(const nlohmann::json& value, int indent = -1);

/// What went wrong so far. Errors: io_error
lowbit::status check_output();
/// The same after everything was handed to the system.
lowbit::status flush_output();

}  // namespace lowbit_tool
