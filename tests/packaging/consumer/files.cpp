// SPDX-License-Identifier: Apache-2.0
// Links what lowbit::io stands for: JSON, Unicode and the encoder.
#include <cstdio>
#include <lowbit/io.hpp>

int main() {
  const auto model = lowbit::load<lowbit::policy::bibert>("no such folder");
  std::printf("%s\n", model.status().message().data());
  const auto tokenizer = lowbit::tokenizer::load("no such folder");
  return !model && !tokenizer && !model.status().message().empty() ? 0 : 1;
}
