// SPDX-License-Identifier: Apache-2.0
// How a program that is told to stop leaves no half output behind. The library installs no signal
// handlers; a program's handler may set `outputs_given_up`: every write and commit from then on
// fails, and the temporary file or folder is removed on the way out. Both values are lock-free, so
// a handler may touch them.
#pragma once

#include <atomic>
#include <string_view>
#include <utility>

#include "lowbit/core/status.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Files and folders that have a temporary name now: with none of them a program can just stop.
inline std::atomic<int> unfinished_outputs{0};
inline std::atomic<bool> outputs_given_up{false};

static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

namespace detail {

/// Counts one output while it is unfinished.
class unfinished_output {
 public:
  unfinished_output() { ++unfinished_outputs; }
  unfinished_output(unfinished_output&& other) noexcept
      : counted_(std::exchange(other.counted_, false)) {}
  unfinished_output& operator=(unfinished_output&&) = delete;
  ~unfinished_output() { finish(); }

  void finish() {
    if (std::exchange(counted_, false)) --unfinished_outputs;
  }

 private:
  bool counted_ = true;
};

/// Errors: io_error when the program is to stop
inline status check_not_given_up(std::string_view path) {
  if (!outputs_given_up.load(std::memory_order_relaxed)) return {};
  return status::error(errc::io_error, path, ": not written, the program was told to stop");
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
