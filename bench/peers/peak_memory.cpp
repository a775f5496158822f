// SPDX-License-Identifier: Apache-2.0
// Memory of one model, measured in a separate process.
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "contests.hpp"
#include "lowbit_encoder.hpp"

namespace lowbit_bench {
namespace {

using lowbit::errc;
using lowbit::result;
using lowbit::status;

/// The output of `program argument`, if it succeeds.
result<std::string> output_of(const std::string& program, const std::string& argument) {
  int ends[2];
  if (pipe(ends) != 0) return status::error(errc::io_error, "no pipe");
  const pid_t child = fork();
  if (child < 0) return status::error(errc::io_error, "no process");
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    execl(program.c_str(), program.c_str(), argument.c_str(), nullptr);
    _exit(127);
  }
  close(ends[1]);
  std::string text;
  char buffer[256];
  for (ssize_t n = read(ends[0], buffer, sizeof buffer); n > 0;
       n = read(ends[0], buffer, sizeof buffer)) {
    text.append(buffer, static_cast<std::size_t>(n));
  }
  close(ends[0]);
  int ended = 0;
  waitpid(child, &ended, 0);
  if (WIFEXITED(ended) && WEXITSTATUS(ended) == 0) return text;
  return status::error(errc::io_error, program, " failed");
}

result<double> measure(const std::string& folder, const std::string& policy) {
  LOWBIT_TRY_ASSIGN(const auto shape, lowbit_tool::named_shape("bert-base"));
  LOWBIT_TRY(write_packed(shape, policy, folder));
  const auto program =
      std::filesystem::read_symlink("/proc/self/exe").parent_path() / "lowbit_peers_memory";
  LOWBIT_TRY_ASSIGN(const auto text, output_of(program.native(), folder));
  return std::stod(text) * 1024 / 1e6;
}

}  // namespace

double peak_megabytes(const peer_options& options, const std::string& policy, peer_report& report) {
  const std::string folder = options.folder + "/packed-" + policy;
  std::error_code ignored;
  std::filesystem::create_directories(options.folder, ignored);
  const auto megabytes = measure(folder, policy);
  std::filesystem::remove_all(folder, ignored);
  if (megabytes) return *megabytes;
  report.note_absent("peak memory, " + policy, std::string(megabytes.status().message()));
  return -1;
}

}  // namespace lowbit_bench
