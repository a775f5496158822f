// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "lowbit/io.hpp"

lowbit::result<lowbit::canonical_model> open_in_second(const char* folder);

int main() {
  const auto first = lowbit::open_model("no such folder");
  const auto second = open_in_second("no such folder");
  std::printf("%s\n", first.status().message().data());
  return !first && !second && first.status().message() == second.status().message() ? 0 : 1;
}
