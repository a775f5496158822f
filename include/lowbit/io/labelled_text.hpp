// SPDX-License-Identifier: Apache-2.0
// Reads labelled text for training and evaluation: tab-separated lines (GLUE), parallel files
// (seq.in, seq.out and label of slot-filling data sets), and a split of a CLINC150 JSON file.
// Independent of the meaning of labels: classes, numbers or word tags. Empty texts and labels are
// errors, because they are usually due to a lost column and would be trained on or counted like any
// other example.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/io/diagnostics.hpp"
#include "lowbit/io/json.hpp"
#include "lowbit/io/mapped_file.hpp"
#include "lowbit/text/unicode.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// A text, its label and its position.
struct labelled_text {
  std::string text;
  std::string label;        ///< for words: one per word of the text, separated by blanks
  std::string second = {};  ///< second text of a pair, otherwise empty
  std::size_t line = 0;     ///< line of the file or entry of the JSON split, from 1
};

/// Whether a label belongs to a whole text or to each word.
enum class labelling { sentences, words };

/// Calls visit(line, number) -> status for every line of a file, numbered from 1, until one fails.
/// Line ends (LF or CRLF) and a leading byte order mark are removed.
///
/// Errors: those of mapped_file::open and of visit
template <class Visit>
status for_each_line(const std::filesystem::path& path, Visit visit) {
  LOWBIT_TRY_ASSIGN(const auto file, mapped_file::open(path));
  const auto bytes = file.bytes();
  std::string_view rest(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    LOWBIT_TRY(visit(line, number));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return {};
}

/// The text without surrounding blanks and tabs.
inline std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r";
  const std::size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

/// Splits a text at blanks and tabs.
inline std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find_first_of(" \t\r", begin), text.size());
    if (end > begin) words.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

namespace detail {

/// The name of the empty part of an example, or nullptr.
inline const char* empty_part(const labelled_text& e, bool pair) {
  if (e.text.empty()) return pair ? "first sentence" : "sentence";
  if (pair && e.second.empty()) return "second sentence";
  return e.label.empty() ? "label" : nullptr;
}

/// The first part of an example that is not valid UTF-8, and the byte offset.
struct invalid_part {
  const char* name;
  std::size_t at;
};
inline std::optional<invalid_part> find_invalid_part(const labelled_text& e) {
  for (const auto& [name, part] :
       {std::pair{"sentence", &e.text}, std::pair{"second sentence", &e.second},
        std::pair{"label", &e.label}}) {
    if (const auto at = find_invalid_utf8(*part)) return invalid_part{name, *at};
  }
  return std::nullopt;
}

inline status not_utf8(const std::filesystem::path& path, std::size_t line,
                       const invalid_part& bad) {
  return status::error(errc::malformed, path.native(), " line ", line, ": has a ", bad.name,
                       " that is not valid UTF-8 at its byte ", bad.at);
}

/// Splits at tabs and trims each column.
inline std::vector<std::string_view> columns_of(std::string_view line) {
  std::vector<std::string_view> columns;
  for (std::size_t begin = 0; begin <= line.size();) {
    const std::size_t end = std::min(line.find('\t', begin), line.size());
    columns.push_back(trimmed(line.substr(begin, end - begin)));
    begin = end + 1;
  }
  return columns;
}

/// The words of a text separated by single blanks.
inline std::string one_blank_apart(std::string_view text) {
  std::string out;
  for (const std::string& word : words_of(text)) out += (out.empty() ? "" : " ") + word;
  return out;
}

/// True if `text` equals `name`, which is lower case, ignoring case.
inline bool is_in_any_case(std::string_view text, std::string_view name) {
  return std::equal(text.begin(), text.end(), name.begin(), name.end(), [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
  });
}

}  // namespace detail

/// The contents of a tab-separated file.
struct labelled_table {
  std::vector<labelled_text> examples;
  bool pairs = false;   ///< examples have a second text
  bool scores = false;  ///< the last column is headed "score": regression targets
};

/// Reads lines `sentence<TAB>label` or `first<TAB>second<TAB>label`, all of the same form. Blanks
/// around columns are removed and blank lines skipped. The first line is a header if its last
/// column is "label" or "score" in any case.
///
/// Errors: those of for_each_line; malformed with file and line number for a different number of
///         columns, or one that is empty or not UTF-8
inline result<labelled_table> read_labelled_tsv(const std::filesystem::path& path) {
  labelled_table table;
  std::size_t width = 0;
  LOWBIT_TRY(for_each_line(path, [&](std::string_view line, std::size_t number) -> status {
    const std::vector<std::string_view> columns = detail::columns_of(line);
    if (columns.size() == 1 && columns[0].empty()) return {};
    const bool first = width == 0;
    if (first && (columns.size() == 2 || columns.size() == 3)) width = columns.size();
    if (columns.size() != width) {
      return status::error(errc::malformed, path.native(), " line ", number, ": has ",
                           columns.size(), columns.size() == 1 ? " column" : " columns",
                           ", expected ",
                           width == 0   ? "2 (sentence, label) or 3 (first, second, label)"
                           : width == 2 ? "2 (sentence, label)"
                                        : "3 (first, second, label)",
                           ", parted by tabs");
    }
    table.pairs = width == 3;
    if (first) {
      table.scores = detail::is_in_any_case(columns.back(), "score");
      if (table.scores || detail::is_in_any_case(columns.back(), "label")) return {};
    }
    labelled_text e{std::string(columns[0]), std::string(columns.back()), {}, number};
    if (table.pairs) e.second = columns[1];
    if (const char* part = detail::empty_part(e, table.pairs)) {
      return status::error(errc::malformed, path.native(), " line ", number, ": has an empty ",
                           part, ", expected at least a word in each column");
    }
    if (const auto bad = detail::find_invalid_part(e)) return detail::not_utf8(path, number, *bad);
    table.examples.push_back(std::move(e));
    return {};
  }));
  return table;
}

/// Reads two parallel files: a text and its label per line, or a text and one label per word,
/// separated by single blanks. Empty lines at the end of a file are ignored; others are skipped if
/// both files have one.
///
/// Errors: those of for_each_line; malformed with file and line number if line or word counts
/// differ,
///         or a line is not UTF-8 or is empty in only one file
inline result<std::vector<labelled_text>> read_lines_and_labels(const std::filesystem::path& texts,
                                                                const std::filesystem::path& labels,
                                                                labelling labelled) {
  const bool words = labelled == labelling::words;
  const auto lines_of = [words](const std::filesystem::path& path, std::vector<std::string>& to) {
    const status read = for_each_line(path, [&](std::string_view line, std::size_t) -> status {
      to.push_back(words ? detail::one_blank_apart(line) : std::string(trimmed(line)));
      return {};
    });
    while (!to.empty() && to.back().empty()) to.pop_back();
    return read;
  };
  std::vector<std::string> of_texts, of_labels;
  LOWBIT_TRY(lines_of(texts, of_texts));
  LOWBIT_TRY(lines_of(labels, of_labels));
  if (of_texts.size() != of_labels.size()) {
    return status::error(errc::malformed, labels.native(), ": has ", of_labels.size(),
                         " lines, expected the ", of_texts.size(), " of ", texts.native());
  }
  std::vector<labelled_text> examples;
  for (std::size_t i = 0; i < of_texts.size(); ++i) {
    labelled_text e{std::move(of_texts[i]), std::move(of_labels[i]), {}, i + 1};
    if (e.text.empty() && e.label.empty()) continue;
    if (words) {
      const std::size_t wanted = words_of(e.text).size(), found = words_of(e.label).size();
      if (wanted != found) {
        return status::error(errc::malformed, labels.native(), " line ", e.line, ": has ", found,
                             " labels, expected one for each of ", wanted, " words");
      }
    }
    if (const char* part = detail::empty_part(e, false)) {
      return status::error(errc::malformed, (e.text.empty() ? texts : labels).native(), " line ",
                           e.line, ": has an empty ", part, ", expected one for line ", e.line,
                           " of ", (e.text.empty() ? labels : texts).native());
    }
    if (const auto bad = detail::find_invalid_part(e)) {
      const bool in_text = std::string_view(bad->name) == "sentence";
      return detail::not_utf8(in_text ? texts : labels, e.line, *bad);
    }
    examples.push_back(std::move(e));
  }
  return examples;
}

/// Reads one split of a CLINC150 file: an array of [text, label] pairs. `name` (a path) starts
/// every message.
///
/// Errors: not_found for a missing split; malformed for anything other than such pairs
inline result<std::vector<labelled_text>> read_clinc_split(const nlohmann::json& root,
                                                           const std::string& split,
                                                           std::string_view name) {
  constexpr std::string_view expected = "an array of [text, label] pairs";
  if (!root.is_object()) {
    return status::error(errc::malformed, name, ": is ", detail::describe(root),
                         ", expected an object whose field ", detail::quote_name(split), " is ",
                         expected);
  }
  const nlohmann::json* pairs = detail::find_member(root, split);
  if (pairs == nullptr) return detail::missing_field(name, split, expected);
  if (!pairs->is_array()) return detail::wrong_type(name, split, *pairs, expected);
  std::vector<labelled_text> examples;
  for (const nlohmann::json& pair : *pairs) {
    const std::size_t entry = examples.size() + 1;
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) {
      return status::error(errc::malformed, name, ": ", split, " entry ", entry, " is ",
                           detail::printable(pair.dump()), ", expected [text, label]");
    }
    const auto text_of = [](const nlohmann::json& value) {
      return std::string(trimmed(value.get_ref<const nlohmann::json::string_t&>()));
    };
    labelled_text e{text_of(pair[0]), text_of(pair[1]), {}, entry};
    if (const char* part = detail::empty_part(e, false)) {
      return status::error(errc::malformed, name, ": ", split, " entry ", entry, ": has an empty ",
                           part, ", expected [text, label]");
    }
    examples.push_back(std::move(e));
  }
  return examples;
}

}  // namespace lowbit::inline LOWBIT_ISA
