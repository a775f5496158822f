// SPDX-License-Identifier: Apache-2.0
// An executor with two workers, or (two_threads{1}) with only the calling thread; tasks go to
// whichever thread is free. One type for both, so a test that uses it instead of lowbit::serial
// compiles its model only once.
#pragma once

#include <atomic>
#include <cstddef>
#include <thread>

namespace lowbit_test {

class two_threads {
 public:
  explicit two_threads(std::size_t workers = 2) : workers_(workers) {}
  [[nodiscard]] std::size_t workers() const { return workers_; }
  template <class Task>
  void run(std::size_t tasks, Task task) const {
    run_all(tasks, &task, [](void* self, std::size_t index, std::size_t worker) {
      (*static_cast<Task*>(self))(index, worker);
    });
  }

 private:
  using call = void (*)(void* task, std::size_t index, std::size_t worker);

  __attribute__((noinline)) void run_all(std::size_t tasks, void* task, call one) const {
    std::atomic<std::size_t> next{0};
    const auto work = [&](std::size_t worker) {
      for (std::size_t index = next++; index < tasks; index = next++) one(task, index, worker);
    };
    if (workers_ == 1) {
      work(0);
      return;
    }
    std::thread other(work, std::size_t{1});
    work(0);
    other.join();
  }

  std::size_t workers_;
};

}  // namespace lowbit_test
