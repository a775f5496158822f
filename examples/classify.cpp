// SPDX-License-Identifier: Apache-2.0
// The ten-line classifier: classify FOLDER SENTENCE...
#include <iostream>
#include <lowbit/io.hpp>

int main(int argc, char** argv) {
  const auto model =
      lowbit::load<lowbit::policy::bibert>(argc > 1 ? argv[1] : "models/clinc150-bibert");
  if (!model) return std::cerr << model.status().message() << '\n', 1;
  for (int i = 2; i < argc; ++i) {
    const auto answer = model->classify(argv[i]);
    if (!answer) return std::cerr << answer.status().message() << '\n', 1;
    std::cout << answer->label << ' ' << answer->probability << ' ' << argv[i] << '\n';
  }
}
