// SPDX-License-Identifier: Apache-2.0
// An answer from a text: answer FOLDER QUESTION TEXT
#include <iostream>
#include <lowbit/pipeline.hpp>
#include <lowbit/pipeline/dispatch_runner.hpp>

int main(int argc, char** argv) {
  if (argc != 4) return std::cerr << "expected FOLDER QUESTION TEXT\n", 2;
  const auto model = lowbit::question_answerer<lowbit::any_policy>::load(argv[1]);
  if (!model) return std::cerr << model.status().message() << '\n', 1;
  const std::string text = argv[3];
  const auto found = model->answer(argv[2], text);
  if (!found) return std::cerr << found.status().message() << '\n', 1;
  if (found->best.empty()) return std::cerr << "no answer\n", 1;
  const auto& best = found->best.front();
  std::cout << text.substr(best.at.begin, best.at.end - best.at.begin) << ' ' << best.probability
            << '\n';
}
