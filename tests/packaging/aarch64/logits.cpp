// SPDX-License-Identifier: Apache-2.0
// One program for every CPU: each engine that this CPU runs gives the logits that x86-64 gives.
#include "../../tools/logit_table.hpp"

#include <catch2/catch_test_macros.hpp>

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
    std::size_t compared = 0;
    for (const table_model& m : models_of(p.name)) {
      if (is_large(m.name)) continue;
      const std::string key = m.name + ", " + p.name;
      INFO(key);
      REQUIRE(table.contains(key));
      for (const lowbit::engine* e : engines) {
        INFO(key << " on " << e->arch);
        CHECK(hashes_of(m.model, *e, 1) == table.at(key));
        ++compared;
      }
    }
    INFO(p.name);
    CHECK(compared >= engines.size());
  }
}
