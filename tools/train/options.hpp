// SPDX-License-Identifier: Apache-2.0
// Options shared by commands, and how a command finishes.
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

/// Options of every training command; the thread count takes effect when parsed.
void add_training_options(CLI::App& verb, train::recipe_options& o);

/// --teacher, --student
void add_teacher_option(CLI::App& verb, train::recipe_options& o);
CLI::Option* add_student_option(CLI::App& verb, train::recipe_options& o, const std::string& help);

/// --student, or the shape and --vocab of a randomly initialized model, but not both.
void add_start_options(CLI::App& verb, train::recipe_options& o, lowbit::model_shape& shape,
                       std::filesystem::path& vocab);

/// An option with a fixed set of values.
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

/// --packed: also write the result as a packed model folder.
void add_packed_option(CLI::App& verb, train::recipe_options& o);

/// Rejects options that this kind of run does not use.
void refuse_idle(const CLI::App& verb, std::initializer_list<const char*> names,
                 const std::string& why);

/// Whether this process is rank 0 (RANK, WORLD_SIZE, ...), which alone does work that is not
/// shared.
bool leads();

/// Prints the error message or the path; returns the exit code.
int finish(const lowbit::status& outcome, const std::filesystem::path& out);

/// finish() for a recipe that wrote o.out: with o.packed, also packs it under `policy` (empty: the
/// checkpoint's own) and `formats`; prints the scores.
int finish_training(lowbit::status outcome, const train::recipe_options& o,
                    const std::string& policy = {},
                    const std::vector<lowbit::format_override>& formats = {});

}  // namespace lowbit_train
