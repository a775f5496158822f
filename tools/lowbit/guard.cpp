// SPDX-License-Identifier: Apache-2.0
#include "guard.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>

#include "lowbit/io/unfinished_output.hpp"

namespace lowbit_tool {
namespace {

const char* program_name = "";
volatile std::sig_atomic_t stopped_by = 0;

/// Prints one line without heap allocation: memory may have run out.
void say(const char* what) noexcept {
  char line[600];
  std::size_t size = 0;
  for (const char* part : {program_name, ": ", what}) {
    for (; *part != '\0' && size + 1 < sizeof line; ++part)
      line[size++] = static_cast<unsigned char>(*part) < 0x20 || *part == 0x7F ? ' ' : *part;
  }
  line[size++] = '\n';
  if (::write(STDERR_FILENO, line, size) < 0) return;  // nowhere to report it
}

void say_current_exception() noexcept {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    say("out of memory");
  } catch (const std::exception& error) {
    say(error.what());
  } catch (...) {
    say("unknown error");
  }
}

/// For what no catch block can see: an exception that escapes a thread, or a destructor during
/// unwinding.
[[noreturn]] void end_of_terminate() noexcept {
  if (std::current_exception()) {
    say_current_exception();
  } else {
    say("out of memory or threads");
  }
  ::_exit(EXIT_FAILURE);
}

/// If the caller closed a standard descriptor, the next opened file would get its number and
/// messages would be written into that file. Fills the gap with a descriptor that always fails.
void fill_standard_descriptors() noexcept {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(descriptor, F_GETFD) != -1 || errno != EBADF) continue;
    const int mode = descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY;
    if (::open("/dev/null", mode) != descriptor) ::_exit(EXIT_FAILURE);
  }
}

void end_by_signal(int signal) noexcept {
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

extern "C" void on_stop_signal(int signal) {
  const int error = errno;
  if (lowbit::unfinished_outputs.load() == 0 || lowbit::outputs_given_up.exchange(true)) {
    end_by_signal(signal);  // nothing to remove, or the second signal
  } else {
    stopped_by = signal;
  }
  errno = error;
}

/// Signals that the caller ignores (nohup) stay ignored. No SA_RESTART: a long write is
/// interrupted.
void catch_stop_signals() noexcept {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction old {};
    if (::sigaction(signal, nullptr, &old) != 0 || old.sa_handler == SIG_IGN) continue;
    struct sigaction action {};
    action.sa_handler = on_stop_signal;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(signal, &action, nullptr);
  }
}

}  // namespace

int run_guarded(const char* name, int (*body)(int, char**), int argc, char** argv) noexcept {
  program_name = name;
  std::set_terminate(end_of_terminate);
  fill_standard_descriptors();
  catch_stop_signals();
  int code = EXIT_FAILURE;
  try {
    code = body(argc, argv);
  } catch (...) {
    say_current_exception();
  }
  if (stopped_by != 0) end_by_signal(stopped_by);
  return code;
}

}  // namespace lowbit_tool
