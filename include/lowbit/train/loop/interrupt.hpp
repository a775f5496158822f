// SPDX-License-Identifier: Apache-2.0
// SIGINT, SIGTERM and SIGHUP as a flag that the training loop polls after each step, to finish the
// step and write a checkpoint. The handler only sets the flag. A second signal has its default
// effect.
#pragma once

#include <atomic>
#include <csignal>

namespace lowbit::train {

namespace detail {
inline std::atomic<int> caught_signal{0};
static_assert(std::atomic<int>::is_always_lock_free);
inline void remember_signal(int number) { caught_signal.store(number); }
}  // namespace detail

/// Installs the handler for the first signal of each kind.
inline void catch_interrupts() {
  struct sigaction action = {};
  action.sa_handler = detail::remember_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigemptyset(&action.sa_mask);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaction(number, &action, nullptr);
}

/// True if a signal arrived since catch_interrupts().
inline bool interrupted() { return detail::caught_signal.load() != 0; }

}  // namespace lowbit::train
