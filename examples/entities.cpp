// SPDX-License-Identifier: Apache-2.0
// Entities of texts of any length: entities FOLDER TEXT...
#include <iostream>
#include <lowbit/pipeline.hpp>
#include <lowbit/pipeline/dispatch_runner.hpp>

int main(int argc, char** argv) {
  const auto model =
      lowbit::entity_tagger<lowbit::any_policy>::load(argc > 1 ? argv[1] : "models/ner");
  if (!model) return std::cerr << model.status().message() << '\n', 1;
  for (int i = 2; i < argc; ++i) {
    const std::string text = argv[i];
    const auto found = model->tag(text, {.overlap = 4});
    if (!found) return std::cerr << found.status().message() << '\n', 1;
    for (const auto& e : *found) {
      std::cout << e.type << ' ' << e.score << ' ' << text.substr(e.at.begin, e.at.end - e.at.begin)
                << '\n';
    }
  }
}
