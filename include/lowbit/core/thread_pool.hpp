// SPDX-License-Identifier: Apache-2.0
// A small thread pool for callers that have none. Encoder steps follow each other within
// microseconds, and waking a thread takes longer than most steps, so workers spin for 20 to 50
// microseconds before they sleep; an idle pool costs nothing. The calling thread is worker 0. A
// pool serves one run() at a time. start() returns an error if the system cannot start a thread.
#pragma once

#include "lowbit/core/executor.hpp"
#include "lowbit/core/status.hpp"

#if LOWBIT_HOSTED
#include <atomic>
#include <exception>
#include <memory>
#include <thread>
#include <vector>

namespace lowbit::inline LOWBIT_ISA {

class thread_pool {
 public:
  /// Creates a pool of workers >= 1, including the calling thread.
  /// Errors: io_error with the number of threads that did start
  static result<std::unique_ptr<thread_pool>> start(std::size_t workers) {
    LOWBIT_EXPECTS(workers >= 1);
    std::unique_ptr<thread_pool> pool;
    try {
      pool.reset(new thread_pool);
      pool->add_threads(workers);
    } catch (const std::exception& why) {
      return status::error(errc::io_error, "started ", pool == nullptr ? 0 : pool->workers(),
                           " of ", workers, " threads: ", why.what());
    }
    return pool;
  }
  /// Like start(), but throws the exceptions of std::thread. It delegates, so the destructor joins
  /// the threads already started.
  explicit thread_pool(std::size_t workers) : thread_pool() {
    LOWBIT_EXPECTS(workers >= 1);
    add_threads(workers);
  }
  thread_pool(const thread_pool&) = delete;
  thread_pool& operator=(const thread_pool&) = delete;
  ~thread_pool() {
    stopping_ = true;  // published by announce()
    announce();
    for (std::thread& t : threads_) t.join();
  }

  [[nodiscard]] std::size_t workers() const { return threads_.size() + 1; }

  /// Calls task(index, worker) for every index < tasks; tasks are handed out as workers become
  /// free. A task must not throw.
  template <class Task>
  void run(std::size_t tasks, Task task) {
    if (threads_.empty() || tasks <= 1) {
      serial::run(tasks, task);
      return;
    }
    self_ = &task;
    call_ = [](void* self, std::size_t index, std::size_t worker) {
      (*static_cast<Task*>(self))(index, worker);
    };
    tasks_ = tasks;
    next_.store(0, std::memory_order_relaxed);
    busy_.store(static_cast<std::uint32_t>(threads_.size()), std::memory_order_relaxed);
    announce();
    work(0);
    std::uint32_t busy = busy_.load(std::memory_order_acquire);
    while (busy != 0) busy = wait_for_change(busy_, busy);
  }

 private:
  using counter = std::atomic<std::uint32_t>;

  thread_pool() = default;

  void add_threads(std::size_t workers) {
    threads_.reserve(workers - 1);
    for (std::size_t w = 1; w < workers; ++w) threads_.emplace_back([this, w] { serve(w); });
  }

  void announce() {
    step_.fetch_add(1, std::memory_order_release);
    step_.notify_all();
  }

  /// Waits until `value` differs from `old` and returns it: spins first, then sleeps.
  static std::uint32_t wait_for_change(const counter& value, std::uint32_t old) {
    constexpr int looks = 1500;  // one pause takes 40 to 140 cycles
    for (int i = 0; i < looks; ++i) {
      const std::uint32_t now = value.load(std::memory_order_acquire);
      if (now != old) return now;
      relax();
    }
    value.wait(old, std::memory_order_acquire);
    return value.load(std::memory_order_acquire);
  }
  static void relax() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  void work(std::size_t worker) {
    for (std::size_t i = next_.fetch_add(1, std::memory_order_relaxed); i < tasks_;
         i = next_.fetch_add(1, std::memory_order_relaxed)) {
      call_(self_, i, worker);
    }
  }

  void serve(std::size_t worker) {
    std::uint32_t seen = 0;
    while (true) {
      seen = wait_for_change(step_, seen);
      if (stopping_) return;
      work(worker);
      if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
    }
  }

  bool stopping_ = false;  // this and the next three are published by step_
  std::size_t tasks_ = 0;
  void* self_ = nullptr;
  void (*call_)(void*, std::size_t, std::size_t) = nullptr;
  // Each on its own cache line, so that writes to one do not slow readers of another.
  alignas(buffer_alignment) counter step_ = 0;
  alignas(buffer_alignment) counter busy_ = 0;
  alignas(buffer_alignment) std::atomic<std::size_t> next_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace lowbit::inline LOWBIT_ISA
#endif
