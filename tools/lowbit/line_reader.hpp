// SPDX-License-Identifier: Apache-2.0
// Reads lines from a descriptor as they arrive: standard input may be a terminal, a pipe from a
// program that waits for answers, or a file larger than memory.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "lowbit/core/status.hpp"

namespace lowbit_tool {

struct input_line {
  std::string text;        // without the line ending, LF or CRLF
  std::size_t number = 0;  // from 1
  bool too_long = false;   // `text` is the beginning, the rest was skipped
};

class line_reader {
 public:
  /// `name` prefixes every message. The caller keeps ownership of the descriptor.
  line_reader(int descriptor, std::string name) : descriptor_(descriptor), name_(std::move(name)) {}

  /// The next line, or nullopt at the end. A byte order mark before the first line is dropped.
  /// Errors: io_error
  lowbit::result<std::optional<input_line>> next();
  /// Whether next() would return without blocking.
  [[nodiscard]] bool ready();

  static constexpr std::size_t longest = std::size_t{16} << 20U;  ///< maximum line length in bytes

 private:
  [[nodiscard]] bool has_line() const { return ended_ || end_ != std::string::npos; }
  void fill();

  int descriptor_;
  std::string name_;
  std::string buffer_;
  std::size_t begin_ = 0;                // start of the next line
  std::size_t end_ = std::string::npos;  // its end, if known
  std::size_t number_ = 0;
  bool skipping_ = false;  // skipping the rest of a line that is too long
  bool ended_ = false;
  int error_ = 0;
};

}  // namespace lowbit_tool
