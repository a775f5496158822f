// SPDX-License-Identifier: Apache-2.0
// The program lowbit-train in processes of its own: started, waited for, killed.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

extern char** environ;

namespace train_test {

namespace fs = std::filesystem;
using strings = std::vector<std::string>;

/// Of this machine, for MASTER_PORT.
inline std::string free_port() {
  const int s = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::bind(s, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
  socklen_t size = sizeof at;
  REQUIRE(::getsockname(s, reinterpret_cast<sockaddr*>(&at), &size) == 0);
  ::close(s);
  return std::to_string(ntohs(at.sin_port));
}

/// A folder with a toy set, and lowbit-train on it.
struct workplace {
  fs::path path = fs::temp_directory_path() / ("lowbit-processes-" + std::to_string(::getpid()));
  workplace() {
    fs::remove_all(path), fs::create_directories(path);
    std::ofstream train(path / "train.tsv"), dev(path / "dev.tsv"), vocab(path / "vocab.txt");
    const strings words{"open", "close", "start", "stop", "the", "door", "a", "big", "small"};
    for (const char* special : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}) {
      vocab << special << "\n";
    }
    for (const std::string& w : words) vocab << w << "\n";
    for (std::size_t i = 0; i < 60; ++i) {
      const auto line = words[i % 4] + " " + words[4 + i % 5] + " " + words[4 + i / 4 % 5] +
                        (i % 3 == 0 ? " door" : "") + "\t" + std::to_string(i % 2) + "\n";
      (i % 5 == 4 ? dev : train) << line;
    }
  }
  ~workplace() { fs::remove_all(path); }

  /// lowbit-train with these arguments, in the environment of this test and `more`.
  [[nodiscard]] pid_t start(const strings& arguments, const strings& more = {}) const {
    strings all{LOWBIT_TRAIN_PROGRAM};
    all.insert(all.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv, env;
    for (std::string& a : all) argv.push_back(a.data());
    argv.push_back(nullptr);
    strings set = more;
    for (char** e = environ; *e != nullptr; ++e) env.push_back(*e);
    for (std::string& e : set) env.insert(env.begin(), e.data());
    env.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 2, (path / ("log" + std::to_string(logs_))).c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0666);
    posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    ++logs_;
    pid_t child = 0;
    REQUIRE(posix_spawn(&child, LOWBIT_TRAIN_PROGRAM, &files, nullptr, argv.data(), env.data()) ==
            0);
    posix_spawn_file_actions_destroy(&files);
    return child;
  }
  [[nodiscard]] std::string log(int number) const {
    std::ifstream in(path / ("log" + std::to_string(number)));
    return {std::istreambuf_iterator<char>(in), {}};
  }
  [[nodiscard]] strings finetune(const std::string& out, const strings& more = {},
                                 const std::string& epochs = "3") const {
    strings all{"finetune",
                "--data",
                path.native(),
                "--vocab",
                (path / "vocab.txt").native(),
                "--out",
                (path / out).native(),
                "-L",
                "1",
                "-H",
                "16",
                "-A",
                "2",
                "-I",
                "24",
                "-P",
                "8",
                "--epochs",
                epochs,
                "--batch-size",
                "7",
                "--lr",
                "0.002",
                "--dropout",
                "0",
                "--classifier-dropout",
                "0",
                "--precision",
                "f32",
                "--ddp-timeout",
                "30"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  [[nodiscard]] nlohmann::json results(const std::string& folder) const {
    return nlohmann::json::parse(std::ifstream(path / folder / "results.json"));
  }

  mutable int logs_ = 0;
};

/// The environment of one process of several.
inline strings place(int rank, int size, const std::string& port) {
  return {"RANK=" + std::to_string(rank), "WORLD_SIZE=" + std::to_string(size),
          "MASTER_ADDR=127.0.0.1", "MASTER_PORT=" + port};
}

/// The exit code, 128 + the signal, or -1 for a process that had to be killed for its time.
inline int ended(pid_t child, int seconds = 60) {
  int state = 0;
  for (int i = 0; i < seconds * 20; ++i) {
    if (::waitpid(child, &state, WNOHANG) == child) {
      return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, &state, 0);
  return -1;
}

/// Waits for a file; false after a while.
inline bool appears(const fs::path& file) {
  for (int i = 0; i < 1200 && !fs::exists(file); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return fs::exists(file);
}

}  // namespace train_test
