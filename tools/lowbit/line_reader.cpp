// SPDX-License-Identifier: Apache-2.0
#include "line_reader.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "lowbit/io/diagnostics.hpp"

namespace lowbit_tool {

using lowbit::result;

/// Reads once, and finds the end of the next line if it has arrived.
void line_reader::fill() {
  constexpr std::size_t part = std::size_t{64} << 10U;
  buffer_.erase(0, begin_);
  begin_ = 0;
  const std::size_t old = buffer_.size();
  buffer_.resize(old + part);
  ssize_t count = 0;
  do count = ::read(descriptor_, buffer_.data() + old, part);
  while (count < 0 && errno == EINTR);
  if (count < 0) error_ = errno;
  buffer_.resize(old + static_cast<std::size_t>(count < 0 ? 0 : count));
  ended_ = count <= 0;
  end_ = buffer_.find('\n', old);
  if (end_ == std::string::npos && buffer_.size() > longest) {
    buffer_.resize(longest);
    skipping_ = true;
  }
}

result<std::optional<input_line>> line_reader::next() {
  while (!has_line()) fill();
  if (error_ != 0) return lowbit::detail::os_error(name_, "cannot read", error_);
  if (end_ == std::string::npos) {  // the last line, or nothing
    if (begin_ == buffer_.size() && !skipping_) return std::optional<input_line>();
    end_ = buffer_.size();
  }
  input_line line{buffer_.substr(begin_, end_ - begin_), ++number_, skipping_};
  if (number_ == 1 && line.text.starts_with("\xEF\xBB\xBF")) line.text.erase(0, 3);
  if (line.text.ends_with('\r')) line.text.pop_back();
  if (skipping_) line.text.resize(100);
  skipping_ = false;
  begin_ = std::min(end_ + 1, buffer_.size());
  end_ = buffer_.find('\n', begin_);
  return std::optional(std::move(line));
}

bool line_reader::ready() {
  while (!has_line()) {
    pollfd input{descriptor_, POLLIN, 0};
    if (::poll(&input, 1, 0) <= 0) return false;
    fill();
  }
  return true;
}

}  // namespace lowbit_tool
