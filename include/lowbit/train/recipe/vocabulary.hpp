// SPDX-License-Identifier: Apache-2.0
// Learns vocab.txt from a data set or a text file.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include "lowbit/core/status.hpp"
#include "lowbit/io/output_file.hpp"
#include "lowbit/text/vocabulary_trainer.hpp"
#include "lowbit/train/data/sentences.hpp"

namespace lowbit::train {

struct vocabulary_recipe_options {
  std::filesystem::path data, out;
  std::size_t size = 4000;  ///< tokens, including special ones
  bool replace = false;
};

/// Learns a WordPiece vocabulary and writes one token per line.
///
/// Errors: those of the readers; malformed for empty data; those of train_vocabulary.
inline status make_vocabulary(const vocabulary_recipe_options& options) {
  LOWBIT_TRY_ASSIGN(const auto lines, read_sentences(options.data));
  if (lines.empty()) return status::error(errc::malformed, options.data.native(), ": no text");
  vocabulary_options settings;
  settings.size = options.size;
  const auto tokens = train_vocabulary(lines, settings);
  if (!tokens) return tokens.status().in(options.data.native());
  std::string text;
  for (const std::string& token : *tokens) text += token + '\n';
  return write_file(options.out, text, options.replace ? existing::replace : existing::refuse);
}

}  // namespace lowbit::train
