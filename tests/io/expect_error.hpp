// SPDX-License-Identifier: Apache-2.0
// The one check of the negative tests: an error of the right code whose message names its parts.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <initializer_list>
#include <string>
#include <string_view>

#include "lowbit/core/status.hpp"

inline void expect_error(const lowbit::status& status, lowbit::errc code,
                         std::initializer_list<std::string_view> parts) {
  const std::string message(status.message());
  INFO("message: " << message);
  CHECK_FALSE(status.ok());
  CHECK(static_cast<int>(status.code()) == static_cast<int>(code));
  for (const std::string_view part : parts) {
    CHECK_THAT(message, Catch::Matchers::ContainsSubstring(std::string(part)));
  }
}
