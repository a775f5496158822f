// SPDX-License-Identifier: Apache-2.0
// Texts and paths as arguments. CLI11 reads "[MASK] or [MASK]" as a list and "{}" as an empty one:
// what begins like that is marked by a byte while CLI11 has it, which goes where a value arrives.
// Only arguments that the user wrote are marked, so nothing else changes.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace lowbit_tool {

inline constexpr char argument_mark = '\x01';

/// A mark of the user's own is marked, too, so that it comes back.
inline std::string marked(std::string argument) {
  if (argument.starts_with('[') || argument.starts_with('{') || argument.starts_with(argument_mark))
    argument.insert(argument.begin(), argument_mark);
  return argument;
}
inline std::string unmarked(std::string argument) {
  if (argument.starts_with(argument_mark)) argument.erase(0, 1);
  return argument;
}

/// The arguments behind the program's name, marked, in the order that CLI11 wants.
inline std::vector<std::string> reversed_arguments(int argc, char** argv) {
  std::vector<std::string> arguments;
  for (int i = argc - 1; i > 0; --i) arguments.push_back(marked(argv[i]));
  return arguments;
}

/// Positional arguments, as the user wrote them.
inline CLI::Option* add_arguments(CLI::App& verb, const std::string& name,
                                  std::vector<std::string>& to, const std::string& description) {
  return verb.add_option_function<std::vector<std::string>>(
      name,
      [&to](const std::vector<std::string>& values) {
        to.clear();
        for (const std::string& value : values) to.push_back(unmarked(value));
      },
      description);
}
inline CLI::Option* add_argument(CLI::App& verb, const std::string& name, std::string& to,
                                 const std::string& description) {
  return verb.add_option_function<std::string>(
      name, [&to](const std::string& value) { to = unmarked(value); }, description);
}

/// From here on the values of the options with a name are as the user wrote them, too.
inline void unmark_options(CLI::App& program) {
  for (CLI::Option* option : program.get_options()) {
    if (!option->get_positional())
      option->transform([](const std::string& v) { return unmarked(v); });
  }
  for (CLI::App* verb : program.get_subcommands([](CLI::App*) { return true; }))
    unmark_options(*verb);
}

}  // namespace lowbit_tool
