// SPDX-License-Identifier: Apache-2.0
// The pool runs every task once, and a system that gives no more threads is an error that can be
// handled. The address space of a child process is what runs out.
#include "lowbit/core/thread_pool.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <system_error>
#include <vector>

namespace {

constexpr std::size_t too_many = 5000;
constexpr rlim_t room = 256U << 20;

/// What action() returns in a child process with room for a few threads; 128 and more: its signal.
template <class Action>
int in_small_child(Action action) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const rlimit limit{room, room};
    ::_exit(::setrlimit(RLIMIT_AS, &limit) == 0 ? action() : 100);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

TEST_CASE("a pool runs every task once, with workers below their number", "[thread_pool]") {
  for (const std::size_t workers : {1U, 2U, 5U}) {
    CAPTURE(workers);
    auto pool = lowbit::thread_pool::start(workers);
    REQUIRE(pool.ok());
    CHECK((*pool)->workers() == workers);
    for (const std::size_t tasks : {0U, 1U, 3U, 100U}) {
      std::vector<std::atomic<int>> runs(tasks);
      std::atomic<bool> known = true;
      (*pool)->run(tasks, [&](std::size_t index, std::size_t worker) {
        ++runs[index];
        if (worker >= workers) known = false;
      });
      CHECK(known);
      for (const auto& count : runs) CHECK(count == 1);
    }
  }
}

TEST_CASE("threads that cannot start are an error, and those before them end", "[thread_pool]") {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  if (pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) > room)
    SKIP("a sanitizer's memory alone is above the limit");
  CHECK(in_small_child([] {
          const auto pool = lowbit::thread_pool::start(too_many);
          if (pool.ok() || pool.status().code() != lowbit::errc::io_error) return 1;
          const std::string_view message = pool.status().message();
          if (message.find(" of 5000 threads: ") == std::string_view::npos) return 2;
          return message.starts_with("started 1 of") || !message.starts_with("started ") ? 3 : 0;
        }) == 0);
  CHECK(in_small_child([] {
          try {
            lowbit::thread_pool pool(too_many);
          } catch (const std::system_error&) {
            lowbit::thread_pool again(2);  // the threads that did start gave their memory back
            std::atomic<int> runs = 0;
            again.run(10, [&](std::size_t, std::size_t) { ++runs; });
            return runs == 10 ? 0 : 2;
          }
          return 1;
        }) == 0);
}
