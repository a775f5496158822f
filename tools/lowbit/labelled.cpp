// SPDX-License-Identifier: Apache-2.0
#include "labelled.hpp"

#include <charconv>
#include <filesystem>
#include <string_view>
#include <utility>

#include "lowbit/io/labelled_text.hpp"

namespace lowbit_tool {

using lowbit::errc;
using lowbit::result;
using lowbit::status;
namespace fs = std::filesystem;

namespace {

bool is_folder(const std::string& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

labelled_texts texts_of(std::vector<lowbit::labelled_text> read, bool pairs) {
  labelled_texts out{{}, pairs};
  for (lowbit::labelled_text& e : read) {
    if (pairs) e.text += '\t' + e.second;
    out.examples.push_back({std::move(e.text), std::move(e.label), e.line});
  }
  return out;
}

result<labelled_texts> read_clinc(const std::string& path, const std::string& split) {
  LOWBIT_TRY_ASSIGN(const auto root, lowbit::read_json(path));
  LOWBIT_TRY_ASSIGN(auto read, lowbit::read_clinc_split(root, split, path));
  return texts_of(std::move(read), false);
}

result<labelled_texts> read_tsv(const std::string& path) {
  LOWBIT_TRY_ASSIGN(auto table, lowbit::read_labelled_tsv(path));
  return texts_of(std::move(table.examples), table.pairs);
}

result<labelled_texts> read_intents(const std::string& folder) {
  LOWBIT_TRY_ASSIGN(auto read, lowbit::read_lines_and_labels(folder + "/seq.in", folder + "/label",
                                                             lowbit::labelling::sentences));
  return texts_of(std::move(read), false);
}

result<std::vector<tagged_sentence>> read_tagged_folder(const std::string& folder) {
  LOWBIT_TRY_ASSIGN(const auto read,
                    lowbit::read_lines_and_labels(folder + "/seq.in", folder + "/seq.out",
                                                  lowbit::labelling::words));
  std::vector<tagged_sentence> out;
  for (const lowbit::labelled_text& e : read)
    out.push_back({lowbit::words_of(e.text), lowbit::words_of(e.label), e.line, false});
  return out;
}

result<std::vector<tagged_sentence>> read_tagged_file(const std::string& path) {
  std::vector<tagged_sentence> out;
  bool open = false;
  LOWBIT_TRY(lowbit::for_each_line(path, [&](std::string_view line, std::size_t number) -> status {
    if (const auto at = lowbit::detail::find_invalid_utf8(line)) {
      return status::error(errc::malformed, path, " line ", number, ": is not valid UTF-8 at byte ",
                           *at);
    }
    const auto columns = lowbit::words_of(line);
    if (columns.empty() || line.starts_with("-DOCSTART-")) {
      open = false;
      return {};
    }
    if (columns.size() < 2) {
      return status::error(errc::malformed, path, " line ", number,
                           ": has 1 column, expected a word and its label");
    }
    if (!open) out.push_back({{}, {}, number, true});
    open = true;
    out.back().words.push_back(columns.front());
    out.back().labels.push_back(columns.back());
    return {};
  }));
  return out;
}

}  // namespace

std::string place_of_split(const std::string& path, const std::string& split) {
  std::error_code ignored;
  if (!is_folder(path) || fs::exists(path + "/seq.in", ignored)) return path;
  for (const std::string& name : {"/" + split + ".tsv", "/" + split}) {
    if (fs::exists(path + name, ignored)) return path + name;
  }
  return path;
}

result<labelled_texts> read_labelled(const std::string& path, const std::string& split) {
  auto read = is_folder(path)           ? read_intents(path)
              : path.ends_with(".json") ? read_clinc(path, split)
                                        : read_tsv(path);
  if (read && read->examples.empty())
    return status::error(errc::malformed, path, ": is empty, expected labelled sentences");
  return read;
}

result<std::vector<example>> read_examples(const std::string& path, const std::string& split) {
  LOWBIT_TRY_ASSIGN(auto read, read_labelled(path, split));
  if (read.pairs) {
    return status::error(errc::unsupported, path,
                         ": has sentence pairs, expected single sentences with a label");
  }
  return std::move(read.examples);
}

result<std::vector<tagged_sentence>> read_tagged(const std::string& path) {
  auto read = is_folder(path) ? read_tagged_folder(path) : read_tagged_file(path);
  if (read && read->empty())
    return status::error(errc::malformed, path, ": is empty, expected words with BIO labels");
  return read;
}

bio_pair align(const std::string& text, const std::vector<lowbit::labelled_word>& found,
               const tagged_sentence& wanted) {
  bio_pair both;
  std::size_t begin = 0;
  auto next = found.begin();
  for (std::size_t w = 0; w < wanted.words.size(); ++w) {
    const lowbit::text_span at{begin, begin + wanted.words[w].size()};
    while (next != found.end() && next->at.begin < at.begin) ++next;
    const bool has = next != found.end() && next->at.begin < at.end;
    both.found.push_back({has ? next->label : "O", at, has ? next->score : 0.0F});
    both.wanted.push_back({wanted.labels[w], at, 1.0F});
    begin = at.end + 1;
  }
  LOWBIT_EXPECTS(begin == text.size() + 1);
  return both;
}

result<std::size_t> label_id(const std::vector<std::string>& names, const std::string& label) {
  bool nameless = true;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == label) return i;
    nameless = nameless && names[i] == "LABEL_" + std::to_string(i);
  }
  std::size_t number = 0;
  const char* const end = label.data() + label.size();
  const auto [stop, error] = std::from_chars(label.data(), end, number);
  if (nameless && error == std::errc() && stop == end && number < names.size()) return number;
  return status::error(errc::invalid_argument, "label ", lowbit::detail::quote_name(label),
                       " is not one of the model's ", names.size(), " labels");
}

result<std::vector<std::size_t>> label_ids(const std::vector<std::string>& names,
                                           const std::vector<example>& examples,
                                           const std::string& path) {
  const std::string unit = path.ends_with(".json") ? " entry " : " line ";
  std::vector<std::size_t> ids;
  for (const example& e : examples) {
    const auto id = label_id(names, e.label);
    if (!id) return id.status().in(path + unit + std::to_string(e.line));
    ids.push_back(*id);
  }
  return ids;
}

}  // namespace lowbit_tool
