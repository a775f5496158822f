// SPDX-License-Identifier: Apache-2.0
#include "texts.hpp"

#include <fstream>

#include <cmath>
#include <iostream>

namespace lowbit_tool {

using lowbit::errc;
using lowbit::result;
using lowbit::status;

result<std::vector<std::string>> read_texts(const std::vector<std::string>& arguments) {
  if (!arguments.empty()) {
    std::vector<std::string> texts = arguments;
    for (std::string& text : texts) {
      if (text.starts_with('[') && text.ends_with("] ")) text.pop_back();  // see main()
    }
    return texts;
  }
  std::vector<std::string> lines;
  for (std::string line; std::getline(std::cin, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    lines.push_back(std::move(line));  // an empty one, too: each line has its answer
  }
  if (std::cin.bad()) return status::error(errc::io_error, "standard input: cannot be read");
  if (lines.empty()) {
    return status::error(errc::invalid_argument,
                         "no text: give sentences as arguments or as lines of standard input");
  }
  return lines;
}

result<lowbit::wordpiece_tokenizer> open_tokenizer(const std::string& folder,
                                                   const lowbit::model_config& config) {
  auto tokenizer = lowbit::wordpiece_tokenizer::load(folder);
  if (!tokenizer) return tokenizer;
  LOWBIT_TRY(lowbit::check_vocabulary(*tokenizer, config).in(folder));
  if (tokenizer->vocabulary_size() < config.shape.vocabulary) {  // a table may be filled up
    warn(folder + ": the tokenizer has " + std::to_string(tokenizer->vocabulary_size()) +
         " tokens, the model's word table " + std::to_string(config.shape.vocabulary));
  }
  return tokenizer;
}

result<lowbit::encoding> encode_text(const lowbit::wordpiece_tokenizer& tokenizer,
                                     const std::string& text, std::size_t positions, bool pairs,
                                     bool truncate) {
  const std::size_t tab = pairs ? text.find('\t') : std::string::npos;
  if (pairs && tab == std::string::npos) {
    return status::error(errc::invalid_argument, "text \"", text,
                         "\" has no tab, expected two sentences (--pairs)");
  }
  auto encoded = pairs ? tokenizer.encode_pair(text.substr(0, tab), text.substr(tab + 1), positions)
                       : tokenizer.encode(text, positions);
  const std::string start = text.substr(0, 40);
  if (!encoded) return encoded.status().in("text \"" + start + "\"");
  if (encoded->truncated && !truncate) {
    return status::error(errc::invalid_argument, "text \"", start, "\" is longer than the ",
                         positions, " tokens that the model takes; shorten it or pass --truncate");
  }
  return encoded;
}

status add_text(const lowbit::wordpiece_tokenizer& tokenizer, const std::string& text,
                std::size_t positions, bool pairs, bool truncate, token_rows& rows) {
  const auto encoded = encode_text(tokenizer, text, positions, pairs, truncate);
  if (!encoded) return encoded.status();
  rows.add(encoded->ids, encoded->type_ids);
  return {};
}

std::vector<lowbit::labelled_word> label_words(const std::vector<std::string>& names,
                                               const std::vector<lowbit::word_pieces>& words,
                                               const float* logits) {
  std::vector<lowbit::labelled_word> labelled;
  for (const lowbit::word_pieces& w : words) {
    const float* row = logits + w.first_token * names.size();
    const std::size_t best = largest(row, names.size());
    labelled.push_back({names[best], w.at, probabilities(row, names.size())[best]});
  }
  return labelled;
}

std::vector<float> probabilities(const float* logits, std::size_t labels) {
  const float top = logits[largest(logits, labels)];
  std::vector<float> p(labels);
  float sum = 0;
  for (std::size_t i = 0; i < labels; ++i) sum += p[i] = std::exp(logits[i] - top);
  for (float& value : p) value /= sum;
  return p;
}

std::size_t largest(const float* logits, std::size_t labels) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < labels; ++i) best = logits[i] > logits[best] ? i : best;
  return best;
}

result<std::vector<token_rows>> read_batches(const lowbit::wordpiece_tokenizer& tokenizer,
                                             const std::string& path, std::size_t positions) {
  constexpr std::size_t sentences = 8;
  std::ifstream file(path);
  if (!file) return status::error(errc::not_found, path, ": cannot be read");
  std::vector<token_rows> batches;
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    if (batches.empty() || batches.back().sentences() == sentences) batches.emplace_back();
    const status added = add_text(tokenizer, line, positions, false, true, batches.back());
    if (!added.ok()) return added.in(path + ":" + std::to_string(number));
  }
  if (batches.empty()) return status::error(errc::invalid_argument, path, ": has no text");
  return batches;
}

}  // namespace lowbit_tool
