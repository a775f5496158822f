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

/// Every policy takes one of these, and they are quickly encoded.
bool is_small(const std::string& name) {
  return name == "bibert_h75" || name == "bit_h128" || name == "tinybert_h96" ||
         name == "clinc150-bibert" || name == "random-sequence classification";
}

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
    for (const table_model& m : models_of(policy, is_small)) {
      const std::string key = m.name + ", " + policy;
      INFO(key);
      REQUIRE(table.contains(key));
      for (const lowbit::engine* e : engines) {
        const std::string hashes = hashes_of(m.model, *e, 1);
        INFO(key << " on " << e->arch << ": " << hashes);
        CHECK(hashes == table.at(key));
        ++compared;
      }
    }
    INFO(policy);
    CHECK(compared >= engines.size());
  }
}
