// SPDX-License-Identifier: Apache-2.0
// Every policy's logits, bit for bit, as recorded in tests/golden/logits.txt: of each golden and
// shipped model that the policy takes, and of random models with each head; alone and in a batch,
// on one thread and on two, on every instruction set. `lowbit_tests_tools '[.record]'` writes the
// table anew.
#include "logit_table.hpp"

#include <catch2/catch_test_macros.hpp>

namespace {

using namespace lowbit_test;

std::vector<std::string> policy_names() {
  std::vector<std::string> names{"pruned50", "bibert plus-one"};
  for (const lowbit::named_policy& p : lowbit::named_policies) names.emplace_back(p.name);
  return names;
}

}  // namespace

TEST_CASE("record the table of logits", "[.record]") {
  std::map<std::string, std::string> table;
  for (const std::string& name : policy_names()) {
    for (const table_model& m : models_of(name))
      table[m.name + ", " + name] = hashes_of(m.model, *lowbit::usable_engines().back(), 1);
  }
  std::ofstream file(table_path);
  file << "# model, policy: hashes of the logits alone and in a batch\n";
  for (const auto& [key, hashes] : table) file << key << ": " << hashes << '\n';
  REQUIRE(file.flush());
}

TEST_CASE("logits are those of the table", "[golden]") {
  std::map<std::string, std::string> table = recorded_logits();
  REQUIRE(!table.empty());
  for (const std::string& name : policy_names()) {
    for (const table_model& m : models_of(name)) {
      const std::string key = m.name + ", " + name;
      CAPTURE(key);
      REQUIRE(table.contains(key));
      for (const lowbit::engine* engine : lowbit::usable_engines()) {
        for (const std::size_t threads : {1U, 2U}) {
          CAPTURE(engine->arch, threads);
          CHECK(hashes_of(m.model, *engine, threads) == table[key]);
        }
      }
      table.erase(key);
    }
  }
  for (const auto& [key, hashes] : table) FAIL_CHECK("in the table, not loaded: " << key);
}
