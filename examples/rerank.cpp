// SPDX-License-Identifier: Apache-2.0
// Passages, the best first: rerank FOLDER QUERY PASSAGE...
#include <iostream>
#include <lowbit/pipeline.hpp>
#include <lowbit/pipeline/dispatch_runner.hpp>

int main(int argc, char** argv) {
  if (argc < 4) return std::cerr << "expected FOLDER QUERY PASSAGE...\n", 2;
  const auto model = lowbit::reranker<lowbit::any_policy>::load(argv[1]);
  if (!model) return std::cerr << model.status().message() << '\n', 1;
  const std::vector<std::string> passages(argv + 3, argv + argc);
  const auto ranked = model->rank(argv[2], passages);
  if (!ranked) return std::cerr << ranked.status().message() << '\n', 1;
  for (const auto& p : *ranked) std::cout << p.score << ' ' << passages[p.index] << '\n';
}
