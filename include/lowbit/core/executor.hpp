// SPDX-License-Identifier: Apache-2.0
// Executors run the tasks of one parallel step. The caller owns the threads. An executor is any
// type with two members: `std::size_t workers() const`, the maximum number of concurrent tasks (>=
// 1); and `template <class Task> void run(std::size_t tasks, Task task)`, which calls task(index,
// worker) once for every index < tasks, with worker < workers(), and returns when all are done.
#pragma once

#include <concepts>

#include "lowbit/core/config.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <class E>
concept executor = requires(E& e) {
  { e.workers() } -> std::convertible_to<std::size_t>;
  e.run(std::size_t{1}, [](std::size_t, std::size_t) {});
};

/// Runs everything on the calling thread.
struct serial {
  [[nodiscard]] static constexpr std::size_t workers() { return 1; }
  template <class Task>
  static constexpr void run(std::size_t tasks, Task task) {
    for (std::size_t index = 0; index < tasks; ++index) task(index, std::size_t{0});
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
