// SPDX-License-Identifier: Apache-2.0
// SIGINT, SIGTERM and SIGHUP as a question that a training loop asks after each step, so that the
// step is finished and a checkpoint written. A handler may do no more than set a flag. The second
// signal has its usual effect: whoever asks twice does not want to wait.
#pragma once

#include <atomic>
#include <csignal>

namespace lowbit::train {

namespace detail {
inline std::atomic<int> caught_signal{0};
static_assert(std::atomic<int>::is_always_lock_free);
inline void remember_signal(int number) { caught_signal.store(number); }
}  // namespace detail

/// From now on these are remembered, each once.
inline void catch_interrupts() {
  struct sigaction action = {};
  action.sa_handler = detail::remember_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigemptyset(&action.sa_mask);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaction(number, &action, nullptr);
}

/// A signal came since catch_interrupts().
inline bool interrupted() { return detail::caught_signal.load() != 0; }

}  // namespace lowbit::train
