// SPDX-License-Identifier: Apache-2.0
// From a data set or a text file to vocab.txt. Only the training split is read, so that no token
// is learned from a sentence that later measures the model.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/io/mapped_file.hpp"
#include "lowbit/io/output_file.hpp"
#include "lowbit/text/vocabulary_trainer.hpp"
#include "lowbit/train/data/dataset.hpp"

namespace lowbit::train {

struct vocabulary_recipe_options {
  std::filesystem::path data, out;
  std::size_t size = 4000;  ///< tokens, special ones included
  bool replace = false;
};

/// The sentences of a .json (CLINC150) or .tsv data set or of a folder of them; the lines of any
/// other file.
inline result<std::vector<std::string>> read_sentences(const std::filesystem::path& path) {
  std::vector<std::string> lines;
  std::error_code ignored;
  if (path.extension() == ".json" || path.extension() == ".tsv" ||
      std::filesystem::is_directory(path, ignored)) {
    auto data = read_dataset(path);
    if (!data) return data.status();
    for (labelled_text& e : data->train) {
      lines.push_back(std::move(e.text));
      if (!e.second.empty()) lines.push_back(std::move(e.second));
    }
    return lines;
  }
  const auto file = mapped_file::open(path);
  if (!file) return file.status();
  std::string_view rest(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    lines.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return lines;
}

/// Learns a WordPiece vocabulary and writes one token per line.
///
/// Errors: those of the readers; malformed for empty data; those of train_vocabulary.
inline status make_vocabulary(const vocabulary_recipe_options& options) {
  const auto lines = read_sentences(options.data);
  if (!lines) return lines.status();
  if (lines->empty()) return status::error(errc::malformed, options.data.native(), ": no text");
  vocabulary_options settings;
  settings.size = options.size;
  const auto tokens = train_vocabulary(*lines, settings);
  if (!tokens) return tokens.status();
  std::string text;
  for (const std::string& token : *tokens) text += token + '\n';
  return write_file(options.out, text, options.replace ? existing::replace : existing::refuse);
}

}  // namespace lowbit::train
