// SPDX-License-Identifier: Apache-2.0
// A small thread pool for callers that have none. Workers sleep on a condition variable between
// steps and never spin; the calling thread is worker 0. One run() at a time: a pool belongs to one
// caller.
#pragma once

#include "lowbit/core/executor.hpp"

#if LOWBIT_HOSTED
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace lowbit::inline LOWBIT_ISA {

class thread_pool {
 public:
  /// workers >= 1, the calling thread included.
  explicit thread_pool(std::size_t workers) {
    LOWBIT_EXPECTS(workers >= 1);
    for (std::size_t w = 1; w < workers; ++w) threads_.emplace_back([this, w] { serve(w); });
  }
  thread_pool(const thread_pool&) = delete;
  thread_pool& operator=(const thread_pool&) = delete;
  ~thread_pool() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& t : threads_) t.join();
  }

  [[nodiscard]] std::size_t workers() const { return threads_.size() + 1; }

  /// task(index, worker) for every index < tasks; tasks are handed out as workers become free.
  template <class Task>
  void run(std::size_t tasks, Task task) {
    if (threads_.empty() || tasks <= 1) {
      serial::run(tasks, task);
      return;
    }
    {
      const std::lock_guard lock(mutex_);
      self_ = &task;
      call_ = [](void* self, std::size_t index, std::size_t worker) {
        (*static_cast<Task*>(self))(index, worker);
      };
      tasks_ = tasks;
      next_.store(0, std::memory_order_relaxed);
      busy_ = threads_.size();
      ++step_;
    }
    wake_.notify_all();
    work(0);
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return busy_ == 0; });
  }

 private:
  void work(std::size_t worker) {
    for (std::size_t i = next_.fetch_add(1, std::memory_order_relaxed); i < tasks_;
         i = next_.fetch_add(1, std::memory_order_relaxed)) {
      call_(self_, i, worker);
    }
  }

  void serve(std::size_t worker) {
    std::size_t seen = 0;
    while (true) {
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return stopping_ || step_ != seen; });
        if (stopping_) return;
        seen = step_;
      }
      work(worker);
      const std::lock_guard lock(mutex_);
      if (--busy_ == 0) done_.notify_one();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  bool stopping_ = false;
  std::size_t step_ = 0;
  std::size_t busy_ = 0;
  std::size_t tasks_ = 0;
  void* self_ = nullptr;
  void (*call_)(void*, std::size_t, std::size_t) = nullptr;
  std::atomic<std::size_t> next_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace lowbit::inline LOWBIT_ISA
#endif
