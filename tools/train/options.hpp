// SPDX-License-Identifier: Apache-2.0
// Options that verbs share, and how a verb ends.
#pragma once

#include <filesystem>
#include <initializer_list>
#include <string>
#include <vector>

#include "lowbit/io/encode_model.hpp"
#include "lowbit/train/recipe/recipe.hpp"
#include "number_checks.hpp"
#include "verbs.hpp"

namespace lowbit_train {

namespace train = lowbit::train;

/// Options of every verb that trains; the number of threads is set as it is parsed.
void add_training_options(CLI::App& verb, train::recipe_options& o);

/// --teacher, --student
void add_teacher_option(CLI::App& verb, train::recipe_options& o);
CLI::Option* add_student_option(CLI::App& verb, train::recipe_options& o, const std::string& help);

/// --student, or the shape and --vocab of a model with random weights; not both.
void add_start_options(CLI::App& verb, train::recipe_options& o, lowbit::model_shape& shape,
                       std::filesystem::path& vocab);

/// An option whose value is one of a few words.
template <class T>
CLI::Option* add_choice(CLI::App& verb, const std::string& name, T& value,
                        const std::vector<std::pair<std::string, T>>& words,
                        const std::string& help = {}) {
  std::vector<std::string> known;
  std::string now;
  for (const auto& [word, meaning] : words) {
    known.push_back(word);
    if (meaning == value) now = word;
  }
  const auto choose = [&value, words](const std::string& text) {
    for (const auto& [word, meaning] : words) {
      if (word == text) value = meaning;
    }
  };
  return verb.add_option_function<std::string>(name, choose, help)
      ->check(CLI::IsMember(known))
      ->default_str(now);
}

/// --packed: also write the runtime's own folder of the result.
void add_packed_option(CLI::App& verb, train::recipe_options& o);

/// An option that this kind of run does not read was given by mistake.
void refuse_idle(const CLI::App& verb, std::initializer_list<const char*> names,
                 const std::string& why);

/// Whether this process is the first of several (RANK, WORLD_SIZE, ...): work that is not shared is
/// its alone.
bool leads();

/// Prints the message or the path; the exit code.
int finish(const lowbit::status& outcome, const std::filesystem::path& out);

/// finish() of a recipe that wrote o.out: with o.packed, the runtime's folder under `policy`
/// (empty: the checkpoint's own) and `formats` is written, too; scores are shown.
int finish_training(lowbit::status outcome, const train::recipe_options& o,
                    const std::string& policy = {},
                    const std::vector<lowbit::format_override>& formats = {});

}  // namespace lowbit_train
