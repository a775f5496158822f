// SPDX-License-Identifier: Apache-2.0
// How alike two texts are: embed FOLDER TEXT TEXT. The folder names the policy, the CPU the engine.
#include <iostream>
#include <lowbit/pipeline.hpp>
#include <lowbit/pipeline/dispatch_runner.hpp>

int main(int argc, char** argv) {
  if (argc != 4) return std::cerr << "expected FOLDER TEXT TEXT\n", 2;
  const auto model = lowbit::text_embedder<lowbit::any_policy>::load(argv[1]);
  if (!model) return std::cerr << model.status().message() << '\n', 1;
  const auto vectors = model->embed(std::vector<std::string>{argv[2], argv[3]});
  if (!vectors) return std::cerr << vectors.status().message() << '\n', 1;
  std::cout << lowbit::cosine_similarity((*vectors)[0], (*vectors)[1]) << '\n';
}
