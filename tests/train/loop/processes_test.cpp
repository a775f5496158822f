// SPDX-License-Identifier: Apache-2.0
// The program in several processes, and processes that are killed: two train what one trains, one
// that dies does not leave the other waiting, a signal stops all of them with a checkpoint.
#include <arpa/inet.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "lowbit/train/loop/gloo_workers.hpp"
#include "lowbit/train/model/folder.hpp"

extern char** environ;
namespace fs = std::filesystem;
using strings = std::vector<std::string>;

namespace {

std::string free_port() {
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
                "--patience",
                "30"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  [[nodiscard]] nlohmann::json results(const std::string& folder) const {
    return nlohmann::json::parse(std::ifstream(path / folder / "results.json"));
  }

  mutable int logs_ = 0;
};

strings place(int rank, int size, const std::string& port) {
  return {"RANK=" + std::to_string(rank), "WORLD_SIZE=" + std::to_string(size),
          "MASTER_ADDR=127.0.0.1", "MASTER_PORT=" + port};
}

/// The exit code, 128 + the signal, or -1 for a process that had to be killed for its time.
int ended(pid_t child, int seconds = 60) {
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
bool appears(const fs::path& file) {
  for (int i = 0; i < 1200 && !fs::exists(file); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return fs::exists(file);
}

double largest_difference(const fs::path& a, const fs::path& b) {
  const auto first = lowbit::checkpoint_tensors::open(a),
             second = lowbit::checkpoint_tensors::open(b);
  REQUIRE(first.ok());
  REQUIRE(second.ok());
  double worst = 0;
  for (const auto& t : first->tensors()) {
    const auto x = lowbit::read_f32(t), y = lowbit::read_f32(*second->find(t.name));
    for (std::size_t i = 0; i < x->size(); ++i) {
      worst = std::max(worst, static_cast<double>(std::abs((*x)[i] - (*y)[i])));
    }
  }
  return worst;
}

}  // namespace

#if LOWBIT_HAS_GLOO
TEST_CASE("two processes train what one trains, up to the order of sums") {
  const workplace w;
  REQUIRE(ended(w.start(w.finetune("one"))) == 0);
  const std::string port = free_port();
  const pid_t second = w.start(w.finetune("two"), place(1, 2, port));
  const pid_t first = w.start(w.finetune("two"), place(0, 2, port));
  const int codes[] = {ended(first), ended(second)};
  INFO(w.log(1) << w.log(2));
  CHECK(codes[0] == 0);
  REQUIRE(codes[1] == 0);
  const auto a = w.results("one").at("run").at("history");
  const auto b = w.results("two").at("run").at("history");
  REQUIRE(a.size() == 21);  // 48 sentences by 7, three times
  REQUIRE(b.size() == a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK(std::abs(a[i].at("loss").get<double>() - b[i].at("loss").get<double>()) < 1e-5);
  }
  CHECK(w.results("one").at("run").at("scores") == w.results("two").at("run").at("scores"));
  CHECK(largest_difference(w.path / "one", w.path / "two") < 1e-4);
}

TEST_CASE("a process that dies ends the others with a message, and all go on with --resume") {
  const workplace w;
  const std::string port = free_port();
  const strings often{"--checkpoint-seconds", "0.01"};
  const pid_t first = w.start(w.finetune("out", often, "100000"), place(0, 2, port));
  const pid_t second = w.start(w.finetune("out", often, "100000"), place(1, 2, port));
  const bool started = appears(w.path / "out.checkpoint");
  ::kill(second, SIGKILL);
  CHECK(ended(second) == 128 + SIGKILL);
  CHECK(ended(first) == 1);
  INFO(w.log(0));
  REQUIRE(started);
  CHECK(w.log(0).find("another process is gone") != std::string::npos);

  // Together again, and stopped by a signal to one of them.
  const std::string again = free_port();
  strings resumed = often;
  resumed.push_back("--resume");
  const auto before = fs::last_write_time(w.path / "out.checkpoint");
  const pid_t third = w.start(w.finetune("out", resumed, "100000"), place(0, 2, again));
  const pid_t fourth = w.start(w.finetune("out", resumed, "100000"), place(1, 2, again));
  for (int i = 0; i < 1200 && fs::last_write_time(w.path / "out.checkpoint") == before; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  ::kill(fourth, SIGTERM);
  CHECK(ended(third) == 1);
  CHECK(ended(fourth) == 1);
  INFO(w.log(2));
  for (const int number : {2, 3}) {
    CHECK(w.log(number).find("stopped on request") != std::string::npos);
  }
}

TEST_CASE("a process that waits for others in vain says so") {
  const workplace w;
  auto alone = w.finetune("out");
  alone.back() = "1";  // --patience
  CHECK(ended(w.start(alone, place(0, 2, free_port()))) == 1);
  CHECK(w.log(0).find("cannot meet the others") != std::string::npos);
  CHECK(!fs::exists(w.path / "out"));
}
#endif

TEST_CASE("a killed process leaves whole files and its run goes on as if it had not been killed") {
  const workplace w;
  const strings longer{"--checkpoint-seconds", "0.001"};
  REQUIRE(ended(w.start(w.finetune("whole", longer, "12"))) == 0);
  const pid_t child = w.start(w.finetune("killed", longer, "12"));
  REQUIRE(appears(w.path / "killed.checkpoint"));
  ::kill(child, SIGKILL);
  const int code = ended(child);
  INFO("it may have been quicker: " << code);
  CHECK((code == 128 + SIGKILL || code == 0));
  strings resumed = longer;
  resumed.push_back(code == 0 ? "--replace" : "--resume");
  CHECK(ended(w.start(w.finetune("killed", resumed, "12"))) == 0);
  CHECK(largest_difference(w.path / "whole", w.path / "killed") == 0);
}

TEST_CASE("an environment that makes no sense is one message") {
  const char* names[] = {"WORLD_SIZE", "RANK", "MASTER_ADDR", "MASTER_PORT"};
  const auto place_with = [&names](const std::vector<std::pair<const char*, const char*>>& set) {
    for (const char* name : names) ::unsetenv(name);
    for (const auto& [name, value] : set) ::setenv(name, value, 1);
    auto found = lowbit::train::place_from_environment();
    for (const char* name : names) ::unsetenv(name);
    return found;
  };
  const auto message = [&place_with](const auto& set) {
    return std::string(place_with(set).status().message());
  };
  using settings = std::vector<std::pair<const char*, const char*>>;
  CHECK(place_with({})->size == 1);
  CHECK(message(settings{{"WORLD_SIZE", "two"}}).find("WORLD_SIZE=\"two\"") != std::string::npos);
  CHECK(message(settings{{"WORLD_SIZE", "2"}, {"RANK", "2"}, {"MASTER_ADDR", "::1"}})
            .find("RANK=2, expected less than WORLD_SIZE=2") != std::string::npos);
  CHECK(message(settings{{"WORLD_SIZE", "2"}, {"RANK", "0"}}).find("MASTER_ADDR is missing") !=
        std::string::npos);
  CHECK(message(settings{{"MASTER_PORT", "70000"}}).find("from 0 to 65535") != std::string::npos);
  const auto good = place_with(
      {{"WORLD_SIZE", "4"}, {"RANK", "3"}, {"MASTER_ADDR", "10.0.0.1"}, {"MASTER_PORT", "777"}});
  REQUIRE(good.ok());
  CHECK(good->rank == 3);
  CHECK(good->size == 4);
  CHECK(good->address == "10.0.0.1");
  CHECK(good->port == 777);
  CHECK(!good->served);
}
