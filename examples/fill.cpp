// SPDX-License-Identifier: Apache-2.0
// Words for [MASK]: fill FOLDER TEXT
#include <iostream>
#include <lowbit/pipeline.hpp>
#include <lowbit/pipeline/dispatch_runner.hpp>

int main(int argc, char** argv) {
  if (argc != 3) return std::cerr << "expected FOLDER TEXT\n", 2;
  const auto model = lowbit::mask_filler<lowbit::any_policy>::load(argv[1]);
  if (!model) return std::cerr << model.status().message() << '\n', 1;
  const auto masks = model->fill(argv[2]);
  if (!masks) return std::cerr << masks.status().message() << '\n', 1;
  for (const auto& mask : *masks) {
    for (const auto& c : mask.candidates)
      std::cout << c.probability << ' ' << lowbit::with_token(argv[2], mask.at, c.part) << '\n';
  }
}
