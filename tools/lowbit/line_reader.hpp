// SPDX-License-Identifier: Apache-2.0
// Lines of a descriptor as they arrive: standard input may be a terminal, a pipe of a program that
// waits for answers, or a file larger than the memory.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "lowbit/core/status.hpp"

namespace lowbit_tool {

struct input_line {
  std::string text;        // without its end, also one of two bytes
  std::size_t number = 0;  // from 1
  bool too_long = false;   // then `text` is its beginning, the rest was skipped
};

class line_reader {
 public:
  /// `name` begins every message. The descriptor stays the caller's.
  line_reader(int descriptor, std::string name) : descriptor_(descriptor), name_(std::move(name)) {}

  /// The next line, nothing at the end. A byte order mark before the first is no text.
  /// Errors: io_error
  lowbit::result<std::optional<input_line>> next();
  /// Whether next() would return at once.
  [[nodiscard]] bool ready();

  static constexpr std::size_t longest = std::size_t{16} << 20U;  ///< bytes of a line

 private:
  [[nodiscard]] bool has_line() const { return ended_ || end_ != std::string::npos; }
  void fill();

  int descriptor_;
  std::string name_;
  std::string buffer_;
  std::size_t begin_ = 0;                // of the next line
  std::size_t end_ = std::string::npos;  // of it, where it is known
  std::size_t number_ = 0;
  bool skipping_ = false;  // what is left of a line that is too long
  bool ended_ = false;
  int error_ = 0;
};

}  // namespace lowbit_tool
