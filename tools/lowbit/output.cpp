// SPDX-License-Identifier: Apache-2.0
#include "output.hpp"

#include <cerrno>
#include <cstdio>

#include "lowbit/io/diagnostics.hpp"

namespace lowbit_tool {
namespace {

int first_failure = 0;  // errno of the write

void remember(bool failed) {
  if (failed && first_failure == 0) first_failure = errno != 0 ? errno : EIO;
}

}  // namespace

void put_bytes(std::string_view bytes) {
  if (first_failure != 0) return;
  errno = 0;
  remember(std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size());
}

std::string json_line(const nlohmann::json& value, int indent) {
  const std::string text =
      value.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
  std::string out;  // dump() leaves DEL and C1 controls, which occur only in strings, unescaped
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x7F') {
      out += "\\u007f";
    } else if (text[i] == '\xC2' && static_cast<unsigned char>(text[i + 1]) < 0xA0) {
      out += fmt::format("\\u00{:02x}", static_cast<unsigned char>(text[++i]));
    } else {
      out += text[i];
    }
  }
  return out;
}

lowbit::status check_output() {
  if (first_failure == 0) return {};
  return lowbit::detail::os_error("standard output", "cannot write", first_failure);
}

lowbit::status flush_output() {
  errno = 0;
  if (first_failure == 0) remember(std::fflush(stdout) != 0);
  return check_output();
}

}  // namespace lowbit_tool
