// SPDX-License-Identifier: Apache-2.0
// run_cases [PART]...: runs the cases, other than slow and hidden ones, whose names hold no PART.
#include <catch2/catch_test_macros.hpp>

int main(int argc, char** argv) {
  const auto is_left_out = [&](const plain_tests::test_case& c) {
    bool out = c.tags.find("[slow]") != c.tags.npos || c.tags.find("[.") != c.tags.npos;
    for (int i = 1; i < argc; ++i) out = out || c.name.find(argv[i]) != c.name.npos;
    return out;
  };
  std::size_t run = 0, skipped = 0;
  for (const plain_tests::test_case& c : plain_tests::cases()) {
    if (is_left_out(c)) continue;
    const std::size_t before = plain_tests::failures;
    plain_tests::information.clear();
    try {
      c.run();
      ++run;
    } catch (const plain_tests::skipped&) {
      ++skipped;
    } catch (const plain_tests::failed&) {
    }
    if (plain_tests::failures != before) std::printf("FAILED: %s\n", c.name.c_str());
  }
  std::printf("%zu cases, %zu skipped, %zu checks, %zu failed\n", run, skipped, plain_tests::checks,
              plain_tests::failures);
  return plain_tests::failures == 0 && run != 0 ? 0 : 1;
}
