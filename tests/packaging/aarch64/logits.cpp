// SPDX-License-Identifier: Apache-2.0
// One program for every CPU: each engine that this CPU runs gives the logits that x86-64 gives.
#include "../../tools/logit_table.hpp"

#include <catch2/catch_test_macros.hpp>

/// As in tools/lowbit/session.cpp, which takes long to compile.
std::size_t lowbit_tool::encoder_of(const lowbit::canonical_model& m) {
  return lowbit::find_policy(m.policy, m.zero).value().encoder;
}

using namespace lowbit_test;

namespace {

/// Folders of the shipped models that are only slower than the others, and not different.
bool is_large(const std::string& name) { return name == "clinc150-fp32"; }

}  // namespace

TEST_CASE("logits are those of the table on every engine", "[golden]") {
  const std::map<std::string, std::string> table = recorded_logits();
  const auto engines = lowbit::usable_engines();
  std::printf("engines:");
  for (const lowbit::engine* e : engines) std::printf(" %s", e->arch);
  std::printf("\n");
  for (const lowbit::named_policy& p : lowbit::named_policies) {
    const std::string policy(p.name);
    std::size_t compared = 0;
    for (const table_model& m : models_of(policy)) {
      if (is_large(m.name)) continue;
      const std::string key = m.name + ", " + policy;
      INFO(key);
      REQUIRE(table.contains(key));
      for (const lowbit::engine* e : engines) {
        INFO(key << " on " << e->arch);
        CHECK(hashes_of(m.model, *e, 1) == table.at(key));
        ++compared;
      }
    }
    INFO(policy);
    CHECK(compared >= engines.size());
  }
}
