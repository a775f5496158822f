// SPDX-License-Identifier: Apache-2.0
// An executor with two workers: tasks go to whichever thread asks first.
#pragma once

#include <atomic>
#include <cstddef>
#include <thread>

namespace lowbit_test {

struct two_threads {
  [[nodiscard]] static constexpr std::size_t workers() { return 2; }
  template <class Task>
  static void run(std::size_t tasks, Task task) {
    std::atomic<std::size_t> next{0};
    const auto work = [&](std::size_t worker) {
      for (std::size_t index = next++; index < tasks; index = next++) task(index, worker);
    };
    std::thread other(work, std::size_t{1});
    work(0);
    other.join();
  }
};

}  // namespace lowbit_test
