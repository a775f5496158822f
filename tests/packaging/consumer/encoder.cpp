// SPDX-License-Identifier: Apache-2.0
// The smallest model there is, through the encoder's headers only: its memory is known before a
// weight is.
#include <lowbit/core/config.hpp>
#include <lowbit/model/classifier.hpp>

#include <cstdio>

int main() {
  using model = lowbit::classifier<lowbit::policy::bibert, lowbit::native>;
  const lowbit::model_shape shape{2, 128, 2, 512, 1000, 64, 2, 3};
  const std::size_t bytes = model::model_bytes({}, shape);
  std::printf("lowbit %s, %s: %zu bytes\n", LOWBIT_VERSION, lowbit::native::name, bytes);
  return bytes > 1000 ? 0 : 1;
}
