// SPDX-License-Identifier: Apache-2.0
// Numbers that options take. CLI11 lets a negative number become a huge one where the option has no
// sign, finds nan in every range, and shows the limits of its own checks with all their digits.
#pragma once

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdlib>
#include <string>
#include <utility>

namespace lowbit_tool {

/// holds(value) for the number that the text is; what is no number CLI11 itself refuses.
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

/// From here on every number of the program's options must be finite, and not negative where the
/// option has no sign.
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
