// SPDX-License-Identifier: Apache-2.0
// lowbit-train as a user starts it: its verbs, what it refuses and with which exit code, and the
// packed folder that it writes for the runtime.
#include <sys/wait.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstdio>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/policy/quantized.hpp"
#include "support/processes.hpp"
#include "support/runtime.hpp"

namespace fs = std::filesystem;

namespace {

struct run_of_program {
  std::string arguments;
  std::string text;  // stdout and stderr
  int code = -1;

  [[nodiscard]] bool says(const std::string& part) const {
    return text.find(part) != std::string::npos;
  }
};

/// All at the same time: to start takes longer than to refuse.
std::vector<run_of_program> run_at_once(const std::vector<std::string>& all) {
  std::vector<std::FILE*> pipes;
  for (const std::string& arguments : all) {
    const std::string command = LOWBIT_TRAIN_PROGRAM " " + arguments + " 2>&1 </dev/null";
    pipes.push_back(::popen(command.c_str(), "r"));
    REQUIRE(pipes.back() != nullptr);
  }
  std::vector<run_of_program> ends;
  for (std::size_t i = 0; i < all.size(); ++i) {
    ends.push_back({all[i], {}, -1});
    char part[4096];
    for (std::size_t n = 0; (n = std::fread(part, 1, sizeof part, pipes[i])) > 0;)
      ends.back().text.append(part, n);
    const int state = ::pclose(pipes[i]);
    if (WIFEXITED(state)) ends.back().code = WEXITSTATUS(state);
  }
  return ends;
}

/// A verb and what it needs beside --data and --out.
struct verb_of_program {
  const char* name;
  const char* needs;  // before a path
};
const std::vector<verb_of_program> all_verbs{
    {"vocab", ""},
    {"pretrain", "--vocab"},
    {"finetune", "--vocab"},
    {"distill", "--teacher"},
    {"augment", "--mlm"},
    {"qat", "--student"},
    {"prune", "--heads 1 --student"},
    {"bibert", "--teacher"},
    {"bit", "--teacher"},
    {"ternarybert", "--teacher"},
    {"binarybert", "--teacher"},
    {"theseus", "--teacher"},
    {"search", "--teacher"},
};

/// Arguments, and the option that the message must begin with.
using refused_option = std::pair<const char*, const char*>;
void check_refused(const std::vector<refused_option>& cases) {
  std::vector<std::string> all;
  for (const refused_option& c : cases) all.emplace_back(c.first);
  const auto ends = run_at_once(all);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    CAPTURE(ends[i].arguments, ends[i].text);
    CHECK(ends[i].code == 2);
    CHECK(ends[i].text.starts_with(std::string("lowbit-train: ") + cases[i].second));
  }
}

}  // namespace

TEST_CASE("lowbit-train --help lists its verbs, and each answers --help") {
  std::vector<std::string> asked{"--help"};
  for (const verb_of_program& v : all_verbs) asked.push_back(v.name + std::string(" --help"));
  const auto ends = run_at_once(asked);
  for (const auto& end : ends) {
    CAPTURE(end.arguments, end.text);
    CHECK(end.code == 0);
  }
  for (std::size_t i = 0; i < all_verbs.size(); ++i) {
    const std::string verb = all_verbs[i].name;
    CAPTURE(verb);
    CHECK(ends[0].says("\n  " + verb + " "));
    CHECK(ends[i + 1].says("lowbit-train " + verb + " [OPTIONS]"));
    CHECK(ends[i + 1].says("--out TEXT REQUIRED"));
  }
  std::istringstream lines(ends[0].text.substr(ends[0].text.find("\nSubcommands:\n") + 14));
  std::size_t listed = 0;
  for (std::string line; std::getline(lines, line) && line.starts_with("  ");) ++listed;
  CHECK(listed == all_verbs.size());  // none that is not asked here
}

TEST_CASE("lowbit-train refuses what it does not know with exit code 2") {
  check_refused(
      {{"", "no command given"},
       {"finetoon", "The following argument was not expected: finetoon"},
       {"vocab --data d --out o --sizes", "The following argument was not expected: --sizes"},
       {"pretrain --data d --out o --vocab v --test",
        "The following argument was not expected: --test"}});
}

TEST_CASE("lowbit-train refuses a value out of range with exit code 2 and names the option") {
  check_refused({{"pretrain --held-out 1", "--held-out: "},
                 {"finetune --epochs 0", "--epochs: "},
                 {"finetune --lr 0", "--lr: found 0, expected a number above 0"},
                 {"finetune --dropout 0.96", "--dropout: "},
                 {"finetune --precision f16", "--precision: "},
                 {"finetune --label-smoothing 1", "--label-smoothing: "},
                 {"distill --stage1-lr 0", "--stage1-lr: "},
                 {"augment --p 1.5", "--p: "},
                 {"qat --range-decay 2", "--range-decay: "},
                 {"prune --sparsity 1", "--sparsity: "},
                 {"bibert --attention softmax", "--attention: "},
                 {"bit --schedule 1,2", "--schedule: "},
                 {"ternarybert --width 0", "--width: "},
                 {"binarybert --input-bits 5", "--input-bits: "},
                 {"theseus --p0 2", "--p0: "},
                 {"search --epsilon 0", "--epsilon: "}});
}

TEST_CASE("lowbit-train takes no negative size and no share that is not a number") {
  check_refused(
      {{"vocab --data d --out o --size -3", "--size: found -3, expected 0 or more"},
       {"finetune --data d --out o --vocab v --dropout nan", "--dropout: "},
       {"finetune --data d --out o --vocab v --lr inf", "--lr: found inf, expected a finite"}});
}

TEST_CASE("lowbit-train refuses options that do not go together and names one of them") {
  check_refused(
      {{"finetune --data d --out o", "--vocab, or --student is required"},
       {"finetune --data d --out o --student s --vocab v", "--student excludes --vocab"},
       {"pretrain --data d --out o --student s -H 8", "--student excludes --hidden"},
       {"qat --data d --out o --student s --range-decay 0.5", "--range-decay: only applies to"},
       {"qat --data d --out o --student s -p q8bert --recluster 5",
        "--recluster: does not apply to"},
       {"qat --data d --out o --student s --temperature 2", "--temperature requires --teacher"},
       {"distill --data d --out o --teacher t --student s --heads 2", "--heads: is taken from"},
       {"distill --data d --out o --teacher t --objective logits --layer-map last",
        "--layer-map: only applies to"},
       {"distill --data d --out o --teacher t --objective tinybert --hard-weight 1",
        "--hard-weight: only applies to"},
       {"prune --data d --out o --student s --sparsity 0.5 --rounds 2",
        "--rounds: only applies to"},
       {"prune --data d --out o --student s --heads 1 --every 5", "--every: only applies to"},
       {"theseus --data d --out o --teacher t --replacing-steps 3",
        "--replacing-steps: only applies to"},
       {"theseus --data d --out o --teacher t --schedule constant --k 0.1", "--k: only applies to"},
       {"search --data d --out o --teacher t --every 2 --epsilon 1",
        "--every excludes --epsilon"}});
}

TEST_CASE(
    "lowbit-train ends with code 1 and one line where a file is missing, and writes nothing") {
  const train_test::scratch_folder s("train-program");
  const std::string none = (s.path / "none").native();
  std::vector<std::string> all;
  for (const verb_of_program& v : all_verbs) {
    const std::string more = *v.needs == '\0' ? "" : std::string(v.needs) + " " + none;
    all.push_back(v.name + (" --data " + none + " " + more + " --out ") +
                  (s.path / "out.tsv").native());
  }
  for (const auto& end : run_at_once(all)) {
    CAPTURE(end.arguments, end.text);
    CHECK(end.code == 1);
    CHECK(end.text.starts_with("lowbit-train: " + none));
    CHECK(std::count(end.text.begin(), end.text.end(), '\n') == 1);
  }
  CHECK(fs::is_empty(s.path));
}

TEST_CASE("qat --packed writes a folder that the runtime opens under that policy alone") {
  const train_test::workplace w;
  REQUIRE(train_test::ended(w.start(w.finetune("fp32"))) == 0);
  const fs::path out = w.path / "out", packed = w.path / "packed";
  const int code = train_test::ended(
      w.start({"qat", "--data", w.path.native(), "--student", (w.path / "fp32").native(), "--out",
               out.native(), "--packed", packed.native(), "--policy", "w4a8", "--epochs", "1"}));
  INFO(w.log(1));
  REQUIRE(code == 0);
  CHECK(w.results("out").at("policy") == "w4a8");

  const auto runtime = lowbit::open_model(packed);
  INFO(runtime.status().message());
  REQUIRE(runtime.ok());
  CHECK(runtime->policy == "w4a8");
  CHECK(train_test::mentions(lowbit::open_model(packed, {"int8", {}, {}}).status(),
                             "packed for policy w4a8"));
  // Four bits of what was trained: the logits are those of the float folder under the same policy.
  const auto imported = lowbit::open_model(out, {"w4a8", {}, {}});
  const auto finer = lowbit::open_model(out, {"int8", {}, {}});
  REQUIRE(imported.ok());
  REQUIRE(finer.ok());
  using policy = lowbit::policy::any_integer;
  const std::vector<std::int32_t> ids{2, 5, 9, 10, 3};
  const auto logits = train_test::runtime_logits<policy>(*runtime, ids);
  CHECK(logits == train_test::runtime_logits<policy>(*imported, ids));
  CHECK(logits != train_test::runtime_logits<policy>(*finer, ids));
}
