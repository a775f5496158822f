// SPDX-License-Identifier: Apache-2.0
// Lets a program that is told to stop leave no partial output behind. The library installs no
// signal handlers; a program's handler may set `outputs_given_up`, after which every write and
// commit fails and the temporary file or folder is removed during cleanup. Both variables are
// lock-free, so a signal handler may access them.
#pragma once

#include <atomic>
#include <string_view>
#include <utility>

#include "lowbit/core/status.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Number of files and folders that still have a temporary name; if 0, a program can simply exit.
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

/// Errors: io_error if the program was told to stop
inline status check_not_given_up(std::string_view path) {
  if (!outputs_given_up.load(std::memory_order_relaxed)) return {};
  return status::error(errc::io_error, path, ": not written, the program was told to stop");
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
