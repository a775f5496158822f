// SPDX-License-Identifier: Apache-2.0
// What CLI11 lets through: a negative number becomes a huge one where the option has no sign, and
// nan lies inside of every range.
#pragma once

#include <CLI/CLI.hpp>
#include <cmath>
#include <string>

namespace lowbit_tool {

/// From here on every number of the program's options must be finite, and not negative where the
/// option has no sign.
inline void check_numbers(CLI::App& program) {
  for (CLI::Option* option : program.get_options()) {
    const std::string type = option->get_type_name();
    const bool has_no_sign = type.starts_with("UINT");
    if (!has_no_sign && !type.starts_with("FLOAT")) continue;
    const auto problem = [has_no_sign](std::string& text) -> std::string {
      double value = 0;
      if (!CLI::detail::lexical_cast(text, value)) return {};  // no number: CLI11 says so
      if (!std::isfinite(value)) return text + ", expected a finite number";
      return has_no_sign && value < 0 ? text + ", expected 0 or more" : "";
    };
    option->check(CLI::Validator(problem, ""));
  }
  for (CLI::App* verb : program.get_subcommands([](CLI::App*) { return true; })) {
    check_numbers(*verb);
  }
}

}  // namespace lowbit_tool
