// SPDX-License-Identifier: Apache-2.0
#include "texts.hpp"

#include <cmath>
#include <iostream>

namespace lowbit_tool {

using lowbit::errc;
using lowbit::result;
using lowbit::status;

result<std::vector<std::string>> read_texts(const std::vector<std::string>& arguments) {
  if (!arguments.empty()) return arguments;
  std::vector<std::string> lines;
  for (std::string line; std::getline(std::cin, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) lines.push_back(std::move(line));
  }
  if (std::cin.bad()) return status::error(errc::io_error, "standard input: cannot be read");
  if (lines.empty()) {
    return status::error(errc::invalid_argument,
                         "no text: give sentences as arguments or as lines of standard input");
  }
  return lines;
}

result<lowbit::wordpiece_tokenizer> open_tokenizer(const std::string& folder,
                                                   const lowbit::model_shape& shape) {
  auto tokenizer = lowbit::wordpiece_tokenizer::load(folder);
  if (!tokenizer) return tokenizer;
  if (tokenizer->vocabulary_size() > shape.vocabulary) {
    return status::error(errc::shape_mismatch, folder, ": the tokenizer has ",
                         tokenizer->vocabulary_size(), " tokens, the model's word table ",
                         shape.vocabulary);
  }
  return tokenizer;
}

status add_text(const lowbit::wordpiece_tokenizer& tokenizer, const std::string& text,
                std::size_t positions, bool pairs, bool truncate, token_rows& rows) {
  const std::size_t tab = pairs ? text.find('\t') : std::string::npos;
  if (pairs && tab == std::string::npos) {
    return status::error(errc::invalid_argument, "text \"", text,
                         "\" has no tab, expected two sentences (--pairs)");
  }
  const auto encoded =
      pairs ? tokenizer.encode_pair(text.substr(0, tab), text.substr(tab + 1), positions)
            : tokenizer.encode(text, positions);
  const std::string start = text.substr(0, 40);
  if (!encoded) return encoded.status().in("text \"" + start + "\"");
  if (encoded->truncated && !truncate) {
    return status::error(errc::invalid_argument, "text \"", start, "\" is longer than the ",
                         positions, " tokens that the model takes; shorten it or pass --truncate");
  }
  rows.add(encoded->ids, encoded->type_ids);
  return {};
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

}  // namespace lowbit_tool
