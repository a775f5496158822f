// SPDX-License-Identifier: Apache-2.0
// How alike two texts are: embed FOLDER TEXT TEXT. The folder names the policy, the CPU the engine.
// With a fourth argument, "memory", the model is loaded from bytes, as in a program that carries
// its model inside.
#include <fstream>
#include <iostream>
#include <lowbit/pipeline.hpp>
#include <lowbit/pipeline/dispatch_runner.hpp>
#include <map>
#include <sstream>

namespace {

std::map<std::string, std::string> read_files(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ostringstream bytes;
    bytes << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    files[std::filesystem::relative(entry.path(), folder).string()] = bytes.str();
  }
  return files;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4 && argc != 5) return std::cerr << "expected FOLDER TEXT TEXT [memory]\n", 2;
  lowbit::model_files from(argv[1]);
  std::map<std::string, std::string> bytes;  // outlives the model
  if (argc == 5) {
    bytes = read_files(argv[1]);
    from = lowbit::model_files::in_memory({bytes.begin(), bytes.end()});
  }
  const auto model = lowbit::text_embedder<lowbit::any_policy>::load(from);
  if (!model) return std::cerr << model.status().message() << '\n', 1;
  const auto vectors = model->embed(std::vector<std::string>{argv[2], argv[3]});
  if (!vectors) return std::cerr << vectors.status().message() << '\n', 1;
  std::cout << lowbit::cosine_similarity((*vectors)[0], (*vectors)[1]) << '\n';
}
