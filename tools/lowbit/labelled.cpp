// SPDX-License-Identifier: Apache-2.0
#include "labelled.hpp"

#include <charconv>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace lowbit_tool {

using lowbit::errc;
using lowbit::result;
using lowbit::status;
namespace fs = std::filesystem;

namespace {

/// visit(line, number) -> status for every line without its end.
template <class Visit>
status for_each_line(const std::string& path, Visit visit) {
  std::error_code ignored;
  std::ifstream in(path);
  if (!in || fs::is_directory(path, ignored))
    return status::error(errc::not_found, path, ": cannot be read, expected a file");
  std::size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    LOWBIT_TRY(visit(line, ++number));
  }
  if (in.bad()) return status::error(errc::io_error, path, ": cannot be read to its end");
  return {};
}

result<std::vector<std::string>> read_lines(const std::string& path) {
  std::vector<std::string> lines;
  LOWBIT_TRY(for_each_line(path, [&](const std::string& line, std::size_t) {
    lines.push_back(line);
    return status();
  }));
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

/// Two files whose lines belong together.
status read_both(const std::string& a, const std::string& b, std::vector<std::string>& first,
                 std::vector<std::string>& second) {
  for (const auto& [path, lines] : {std::pair{&a, &first}, std::pair{&b, &second}}) {
    auto read = read_lines(*path);
    if (!read) return read.status();
    *lines = *std::move(read);
  }
  if (first.size() == second.size()) return {};
  return status::error(errc::malformed, b, ": has ", second.size(), " lines, expected the ",
                       first.size(), " of ", a);
}

bool is_folder(const std::string& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

std::vector<std::string> split_at(const std::string& line, const char* separators, bool merge) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= line.size();) {
    const std::size_t end = std::min(line.find_first_of(separators, begin), line.size());
    if (end > begin || !merge) parts.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

result<labelled_texts> read_clinc(const std::string& path, const std::string& split) {
  const auto json = lowbit::read_json(path);
  if (!json) return json.status();
  if (!json->is_object() || !json->contains(split) || !(*json)[split].is_array()) {
    return status::error(errc::not_found, path, ": has no split ", split);
  }
  labelled_texts out;
  for (const auto& pair : (*json)[split]) {
    const bool fits =
        pair.is_array() && pair.size() == 2 && pair[0].is_string() && pair[1].is_string();
    const std::size_t entry = out.examples.size() + 1;
    if (!fits) {
      return status::error(errc::malformed, path, ": ", split, " entry ", entry,
                           " is not [text, label]");
    }
    out.examples.push_back({pair[0], pair[1], entry});
  }
  return out;
}

bool is_header(const std::vector<std::string>& columns) {
  std::string last = columns.back();
  for (char& c : last) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return last == "label" || last == "score";
}

result<labelled_texts> read_tsv(const std::string& path) {
  labelled_texts out;
  std::size_t width = 0;
  LOWBIT_TRY(for_each_line(path, [&](const std::string& line, std::size_t number) -> status {
    if (line.empty()) return {};
    const auto columns = split_at(line, "\t", false);
    if (width == 0 && (columns.size() == 2 || columns.size() == 3)) {
      width = columns.size();
      out.pairs = width == 3;
      if (is_header(columns)) return {};
    }
    if (columns.size() != width) {
      return status::error(errc::malformed, path, " line ", number, ": has ", columns.size(),
                           columns.size() == 1 ? " column" : " columns", ", expected ",
                           width == 0   ? "2 (sentence, label) or 3 (first, second, label)"
                           : width == 2 ? "2 (sentence, label)"
                                        : "3 (first, second, label)",
                           ", parted by tabs");
    }
    if (columns.back().empty())
      return status::error(errc::malformed, path, " line ", number, ": the label is empty");
    const std::size_t tab = line.rfind('\t');
    out.examples.push_back({line.substr(0, tab), columns.back(), number});
    return {};
  }));
  return out;
}

result<labelled_texts> read_intents(const std::string& folder) {
  std::vector<std::string> texts, labels;
  LOWBIT_TRY(read_both(folder + "/seq.in", folder + "/label", texts, labels));
  labelled_texts out;
  for (std::size_t i = 0; i < texts.size(); ++i)
    out.examples.push_back({texts[i], labels[i], i + 1});
  return out;
}

result<std::vector<tagged_sentence>> read_tagged_folder(const std::string& folder) {
  const std::string labels_path = folder + "/seq.out";
  std::vector<std::string> texts, labels;
  LOWBIT_TRY(read_both(folder + "/seq.in", labels_path, texts, labels));
  std::vector<tagged_sentence> out;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    tagged_sentence s{split_at(texts[i], " \t", true), split_at(labels[i], " \t", true), i + 1,
                      false};
    if (s.words.size() != s.labels.size()) {
      return status::error(errc::malformed, labels_path, " line ", i + 1, ": has ", s.labels.size(),
                           " labels, expected one for each of ", s.words.size(), " words");
    }
    if (!s.words.empty()) out.push_back(std::move(s));
  }
  return out;
}

result<std::vector<tagged_sentence>> read_tagged_file(const std::string& path) {
  std::vector<tagged_sentence> out;
  bool open = false;
  LOWBIT_TRY(for_each_line(path, [&](const std::string& line, std::size_t number) -> status {
    const auto columns = split_at(line, " \t", true);
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
  auto read = read_labelled(path, split);
  if (!read) return read.status();
  if (read->pairs) {
    return status::error(errc::unsupported, path,
                         ": has pairs of sentences, expected one sentence and its label");
  }
  return std::move(read->examples);
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
  return status::error(errc::invalid_argument, "label \"", label, "\" is not one of the model's ",
                       names.size());
}

result<std::vector<std::size_t>> label_ids(const std::vector<std::string>& names,
                                           const std::vector<example>& examples,
                                           const std::string& path) {
  std::vector<std::size_t> ids;
  for (const example& e : examples) {
    const auto id = label_id(names, e.label);
    if (!id) return id.status().in(path + " line " + std::to_string(e.line));
    ids.push_back(*id);
  }
  return ids;
}

}  // namespace lowbit_tool
