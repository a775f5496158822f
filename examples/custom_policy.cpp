// SPDX-License-Identifier: Apache-2.0
// A user-defined policy: derive from a named one and change what differs. Here BiBERT's attention
// is kept and the feed-forward layers stay in f32. The checkpoint is any BiBERT folder with float
// weights; the cost of each layer is known at compile time.
#include <iostream>
#include <lowbit/io.hpp>

struct half_binary : lowbit::policy::bibert {
  static constexpr const char* name = "half-binary";
  using feed_forward_input = lowbit::linear_format<lowbit::f32, lowbit::activation::f32>;
  using feed_forward_output = lowbit::linear_format<lowbit::f32, lowbit::activation::f32>;
};

using formats = lowbit::site_formats<half_binary>;
static_assert(formats::projection::weight_bits == 1 && formats::projection::exact);
static_assert(formats::feed_forward_input::weight_bits == 32);

int main(int argc, char** argv) {
  if (argc < 3) return std::cerr << "usage: custom_policy FOLDER SENTENCE...\n", 2;
  const auto model = lowbit::load<half_binary>(argv[1]);
  if (!model) return std::cerr << model.status().message() << '\n', 1;
  for (int i = 2; i < argc; ++i) {
    const auto answer = model->classify(argv[i]);
    if (!answer) return std::cerr << answer.status().message() << '\n', 1;
    std::cout << answer->label << ' ' << answer->probability << ' ' << argv[i] << '\n';
  }
}
