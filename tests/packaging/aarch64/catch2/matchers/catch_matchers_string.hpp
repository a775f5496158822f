// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../catch_test_macros.hpp"

namespace Catch::Matchers {
struct ContainsSubstring {
  std::string part;
  [[nodiscard]] bool match(const std::string& text) const { return text.find(part) != text.npos; }
};
}  // namespace Catch::Matchers

#define CHECK_THAT(text, ...) CHECK((__VA_ARGS__).match(text))
