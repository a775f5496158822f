// SPDX-License-Identifier: Apache-2.0
#include "lowbit/io.hpp"

lowbit::result<lowbit::canonical_model> open_in_second(const char* folder) {
  return lowbit::open_model(folder);
}
