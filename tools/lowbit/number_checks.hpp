// SPDX-License-Identifier: Apache-2.0
// Checks for numeric options. CLI11 wraps a negative value of an unsigned option to a huge one,
// accepts nan in every range, and prints the limits of its own checks with all their digits.
#pragma once

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdlib>
#include <string>
#include <utility>

namespace lowbit_tool {

/// Requires holds(value) of the parsed number; CLI11 itself rejects text that is not a number.
template <class Holds>
CLI::Validator number_check(Holds holds, std::string expected, std::string name = {}) {
  const auto problem = [holds, expected = std::move(expected)](std::string& text) -> std::string {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (end == text.c_str() || *end != '\0' || holds(value)) return {};
    return "found " + text + ", expected " + expected;
  };
  return CLI::Validator(problem, std::move(name));
}

inline CLI::Validator positive() {
  return number_check([](double v) { return v > 0; }, "a number above 0", "ABOVE 0");
}
inline CLI::Validator not_negative() {
  return number_check([](double v) { return v >= 0; }, "0 or more", "0 OR MORE");
}

/// Call after all options are added: numeric options must be finite, and unsigned ones not
/// negative.
inline void check_numbers(CLI::App& program) {
  for (CLI::Option* option : program.get_options()) {
    const std::string type = option->get_type_name();
    if (type.starts_with("UINT")) {
      option->check(number_check([](double v) { return v >= 0; }, "0 or more"));
    } else if (type.starts_with("FLOAT")) {
      option->check(number_check([](double v) { return std::isfinite(v); }, "a finite number"));
    }
  }
  for (CLI::App* verb : program.get_subcommands([](CLI::App*) { return true; })) {
    check_numbers(*verb);
  }
}

}  // namespace lowbit_tool
