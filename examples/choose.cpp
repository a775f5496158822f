// SPDX-License-Identifier: Apache-2.0
// The best of several answers: choose FOLDER QUESTION ANSWER...
#include <iostream>
#include <lowbit/pipeline.hpp>
#include <lowbit/pipeline/dispatch_runner.hpp>

int main(int argc, char** argv) {
  if (argc < 4) return std::cerr << "expected FOLDER QUESTION ANSWER...\n", 2;
  const auto model = lowbit::multiple_choice<lowbit::any_policy>::load(argv[1]);
  if (!model) return std::cerr << model.status().message() << '\n', 1;
  const std::vector<std::string> choices(argv + 3, argv + argc);
  const auto found = model->choose(argv[2], choices);
  if (!found) return std::cerr << found.status().message() << '\n', 1;
  std::cout << choices[found->best] << ' ' << found->probabilities[found->best] << '\n';
}
