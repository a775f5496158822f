// SPDX-License-Identifier: Apache-2.0
#include "texts.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "arguments.hpp"
#include "lowbit/io/file_descriptor.hpp"

namespace lowbit_tool {

using lowbit::errc;
using lowbit::result;
using lowbit::status;

void add_text_options(CLI::App& verb, text_options& options, const std::string& what) {
  add_arguments(verb, "text", options.texts, what + " (default, or -: lines of standard input)");
  verb.add_flag("--keep-going", options.keep_going,
                "report texts that fail and continue; the final exit code is 1");
}

text_source::text_source(const std::vector<std::string>& arguments)
    : arguments_(arguments), lines_(STDIN_FILENO, "standard input") {
  if (arguments_.empty()) arguments_ = {"-"};
}

std::string start_of(std::string_view text) {
  return "text \"" + lowbit::detail::printable(text, 40) + "\"";
}

result<std::vector<given_text>> text_source::next(std::size_t most) {
  constexpr std::size_t most_bytes = std::size_t{4} << 20U;
  std::vector<given_text> texts;
  std::size_t bytes = 0;
  while (at_ < arguments_.size() && texts.size() < most && bytes < most_bytes) {
    if (arguments_[at_] != "-") {
      texts.push_back({std::move(arguments_[at_++]), ++number_, {}});
      bytes += texts.back().text.size();
      continue;
    }
    if (!texts.empty() && !lines_.ready()) break;
    auto line = lines_.next();
    if (!line) {
      if (texts.empty()) return line.status();
      break;  // reported by the next call
    }
    if (!line->has_value()) {
      ++at_;
      continue;
    }
    given_text text{std::move((*line)->text), ++number_,
                    "standard input:" + std::to_string((*line)->number)};
    if ((*line)->too_long) {
      text.problem = status::error(errc::invalid_argument, "line is longer than ",
                                   line_reader::longest, " bytes");
    }
    bytes += text.text.size();
    texts.push_back(std::move(text));
  }
  return texts;
}

bool text_source::waits() {
  return at_ < arguments_.size() && arguments_[at_] == "-" && !lines_.ready();
}

result<std::vector<std::string>> read_texts(const std::vector<std::string>& arguments) {
  std::vector<std::string> all;
  text_source source(arguments);
  while (true) {
    LOWBIT_TRY_ASSIGN(auto next, source.next(1000));
    if (next.empty()) break;
    for (given_text& text : next) {
      if (!text.problem.ok()) return text.problem.in(text.place);
      all.push_back(std::move(text.text));
    }
  }
  if (!all.empty()) return all;
  return status::error(errc::invalid_argument,
                       "no text: pass sentences as arguments or as lines of standard input");
}

result<std::string> read_input() {
  std::string text;
  char part[1U << 14U];
  ssize_t count = 0;
  do {
    count = ::read(STDIN_FILENO, part, sizeof part);
    if (count > 0) text.append(part, static_cast<std::size_t>(count));
  } while (count > 0 || (count < 0 && errno == EINTR));
  if (count < 0) return lowbit::detail::os_error("standard input", "cannot read", errno);
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

result<lowbit::tokenizer> open_tokenizer(const std::string& folder,
                                         const lowbit::model_config& config) {
  LOWBIT_TRY_ASSIGN(const auto at, lowbit::locate_model(folder));
  auto tokenizer = lowbit::tokenizer::load(at.transformer, config.lower_case());
  if (!tokenizer) return tokenizer;
  LOWBIT_TRY(lowbit::check_vocabulary(*tokenizer, config).in(folder));
  if (tokenizer->vocabulary_size() < config.shape.vocabulary) {  // the table may be padded
    warn(folder + ": the tokenizer has " + std::to_string(tokenizer->vocabulary_size()) +
         " tokens, but the model's word embedding table has " +
         std::to_string(config.shape.vocabulary));
  }
  return tokenizer;
}

result<std::pair<std::string, std::string>> split_pair(const std::string& text) {
  const std::size_t tab = text.find('\t');
  if (tab != std::string::npos) return std::pair{text.substr(0, tab), text.substr(tab + 1)};
  return status::error(errc::invalid_argument, start_of(text),
                       " has no tab, expected two sentences (--pairs)");
}

status check_length(const std::string& text, bool truncated, std::size_t max_tokens,
                    bool truncate) {
  if (!truncated || truncate) return {};
  return status::error(errc::invalid_argument, start_of(text), " is longer than the maximum of ",
                       max_tokens, " tokens; shorten it or pass --truncate");
}

result<lowbit::encoding> encode_text(const lowbit::tokenizer& tokenizer, const std::string& text,
                                     std::size_t positions, bool pairs, bool truncate) {
  if (!pairs) return checked(text, tokenizer.encode(text, positions), positions, truncate);
  LOWBIT_TRY_ASSIGN(const auto pair, split_pair(text));
  return checked(text, tokenizer.encode_pair(pair.first, pair.second, positions), positions,
                 truncate);
}

status add_text(const lowbit::tokenizer& tokenizer, const std::string& text, std::size_t positions,
                bool pairs, bool truncate, token_rows& rows) {
  LOWBIT_TRY_ASSIGN(const auto encoded, encode_text(tokenizer, text, positions, pairs, truncate));
  rows.add(encoded.ids, encoded.type_ids);
  return {};
}

std::vector<lowbit::labelled_word> label_words(const std::vector<std::string>& names,
                                               const std::vector<lowbit::word_pieces>& words,
                                               const float* logits) {
  std::vector<lowbit::labelled_word> labelled;
  for (const lowbit::word_pieces& w : words) {
    const float* row = logits + w.first_token * names.size();
    const std::size_t best = lowbit::largest_logit(row, names.size());
    labelled.push_back({names[best], w.at, lowbit::probabilities(row, names.size())[best]});
  }
  return labelled;
}

result<std::vector<token_rows>> read_batches(const lowbit::tokenizer& tokenizer,
                                             const std::string& path, std::size_t positions) {
  constexpr std::size_t sentences = 8;
  const auto file = lowbit::detail::open_retrying(path, O_RDONLY);
  if (!file.valid()) return status::error(errc::not_found, path, ": cannot be read");
  line_reader lines(file.get(), path);
  std::vector<token_rows> batches;
  while (true) {
    const auto line = lines.next();
    if (!line) return line.status();
    if (!line->has_value()) break;
    const std::string& text = (*line)->text;
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    if (batches.empty() || batches.back().sentences() == sentences) batches.emplace_back();
    const status added = add_text(tokenizer, text, positions, false, true, batches.back());
    if (!added.ok()) return added.in(path + ":" + std::to_string((*line)->number));
  }
  if (batches.empty()) return status::error(errc::invalid_argument, path, ": has no text");
  return batches;
}

}  // namespace lowbit_tool
