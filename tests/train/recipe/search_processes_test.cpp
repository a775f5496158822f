// SPDX-License-Identifier: Apache-2.0
// A search in several processes, and one that is told to stop: the leader alone measures and tries,
// the others train the shape that it chose; what was measured is not lost.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <iterator>

#include "lowbit/train/loop/gloo_workers.hpp"
#include "support/processes.hpp"

using namespace train_test;

namespace {

strings search_in(const workplace& w, const std::string& out, const std::string& steps) {
  return {"search",
          "--data",
          w.path.native(),
          "--teacher",
          (w.path / "teacher").native(),
          "--out",
          (w.path / out).native(),
          "-L",
          "1,2",
          "-H",
          "8",
          "-A",
          "2",
          "-I",
          "8,12",
          "--steps",
          steps,
          "--tokens",
          "8",
          "--repetitions",
          "1",
          "--epochs",
          "2",
          "--batch-size",
          "7",
          "--trial-batch",
          "7",
          "--precision",
          "f32"};
}

/// A teacher that every shape of the grid is much faster than, whatever else the machine does.
void train_teacher(const workplace& w) {
  strings arguments = w.finetune("teacher", {}, "1");
  const auto set = [&](const char* name, const char* value) {
    *std::next(std::find(arguments.begin(), arguments.end(), name)) = value;
  };
  set("-L", "6"), set("-H", "128"), set("-I", "256");
  REQUIRE(ended(w.start(arguments)) == 0);
}

}  // namespace

#if LOWBIT_HAS_GLOO
TEST_CASE("of two processes one searches, and both train the shape that it chose") {
  const workplace w;
  train_teacher(w);
  const std::string port = free_port();
  const pid_t second = w.start(search_in(w, "out", "20"), place(1, 2, port));
  const pid_t first = w.start(search_in(w, "out", "20"), place(0, 2, port));
  const int codes[] = {ended(first), ended(second)};
  INFO(w.log(1) << w.log(2));
  CHECK(codes[0] == 0);
  CHECK(codes[1] == 0);
  CHECK(w.results("out").at("finished") == true);
  const auto ranking = nlohmann::json::parse(std::ifstream(w.path / "out" / "ranking.json"));
  const auto config = nlohmann::json::parse(std::ifstream(w.path / "out" / "config.json"));
  CHECK(ranking.at("candidates").size() == 4);
  CHECK(config.at("num_hidden_layers") == ranking.at("candidates")[0].at("layers"));
  CHECK(w.log(1).find("trial") == std::string::npos);
}

TEST_CASE("a search that fails ends the processes that wait for it") {
  const workplace w;
  train_teacher(w);
  auto impossible = search_in(w, "out", "20");
  impossible.insert(impossible.end(), {"--max-mb", "0.000001"});
  const std::string port = free_port();
  const pid_t second = w.start(impossible, place(1, 2, port));
  const pid_t first = w.start(impossible, place(0, 2, port));
  CHECK(ended(first) == 1);
  CHECK(ended(second) == 1);
  CHECK(w.log(2).find("no shape of the grid") != std::string::npos);
  CHECK(w.log(1).find("search of the leading process failed") != std::string::npos);
}
#endif

TEST_CASE("SIGTERM ends a search within a trial and keeps what it measured") {
  const workplace w;
  train_teacher(w);
  const pid_t child = w.start(search_in(w, "out", "100000000"));
  REQUIRE(appears(w.path / "out.search"));
  ::kill(child, SIGTERM);
  CHECK(ended(child) == 1);
  CHECK(w.log(1).find("stopped on request") != std::string::npos);
  CHECK(w.log(1).find("--resume") != std::string::npos);
  CHECK(!fs::exists(w.path / "out"));
  CHECK(ended(w.start(search_in(w, "out", "100000000"))) == 1);
  CHECK(w.log(2).find("out.search: exists") != std::string::npos);
}
