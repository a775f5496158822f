// SPDX-License-Identifier: Apache-2.0
// The program in several processes, and processes that are killed: two train what one trains, one
// that dies does not leave the other waiting, a signal stops all of them with a checkpoint.
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string>
#include <thread>

#include "lowbit/train/loop/gloo_workers.hpp"
#include "lowbit/train/model/folder.hpp"
#include "support/processes.hpp"

using namespace train_test;

namespace {

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

TEST_CASE("two processes prune in rounds") {
  const workplace w;
  REQUIRE(ended(w.start(w.finetune("fp32"))) == 0);
  const strings arguments{"prune",
                          "--data",
                          w.path.native(),
                          "--student",
                          (w.path / "fp32").native(),
                          "--out",
                          (w.path / "out").native(),
                          "--heads",
                          "1",
                          "--neurons",
                          "8",
                          "--rounds",
                          "3",
                          "--epochs",
                          "1",
                          "--batch-size",
                          "7",
                          "--lr",
                          "0.002",
                          "--ddp-timeout",
                          "30"};
  const std::string port = free_port();
  const pid_t second = w.start(arguments, place(1, 2, port));
  const pid_t first = w.start(arguments, place(0, 2, port));
  const int codes[] = {ended(first), ended(second)};
  INFO(w.log(1) << w.log(2));
  CHECK(codes[0] == 0);
  CHECK(codes[1] == 0);
  CHECK(w.results("out").at("shape").at("intermediate") == 8);
  CHECK(w.results("out").at("finished") == true);
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
  alone.back() = "1";  // --ddp-timeout
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
