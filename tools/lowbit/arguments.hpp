// SPDX-License-Identifier: Apache-2.0
// Texts and paths as arguments. CLI11 parses "[MASK] or [MASK]" as a list and "{}" as an empty one:
// arguments that begin like that get a prefix byte while CLI11 parses them, removed when the value
// arrives. Only arguments that the user wrote are marked, so nothing else changes.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace lowbit_tool {

inline constexpr char argument_mark = '\x01';

/// An argument that already begins with the mark gets another, so that unmarking restores it.
inline std::string marked(std::string argument) {
  if (argument.starts_with('[') || argument.starts_with('{') || argument.starts_with(argument_mark))
    argument.insert(argument.begin(), argument_mark);
  return argument;
}
inline std::string unmarked(std::string argument) {
  if (argument.starts_with(argument_mark)) argument.erase(0, 1);
  return argument;
}

/// The arguments after the program's name, marked, in the reverse order that CLI11 expects.
inline std::vector<std::string> reversed_arguments(int argc, char** argv) {
  std::vector<std::string> arguments;
  for (int i = argc - 1; i > 0; --i) arguments.push_back(marked(argv[i]));
  return arguments;
}

/// Positional arguments, exactly as the user wrote them.
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

/// Call after all options are added: the values of named options are unmarked, too.
inline void unmark_options(CLI::App& program) {
  for (CLI::Option* option : program.get_options()) {
    if (!option->get_positional())
      option->transform([](const std::string& v) { return unmarked(v); });
  }
  for (CLI::App* verb : program.get_subcommands([](CLI::App*) { return true; }))
    unmark_options(*verb);
}

}  // namespace lowbit_tool
