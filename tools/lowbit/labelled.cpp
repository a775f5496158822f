// SPDX-License-Identifier: Apache-2.0
#include "labelled.hpp"

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

namespace lowbit_tool {

using lowbit::errc;
using lowbit::result;
using lowbit::status;

namespace {

result<std::vector<example>> read_clinc(const std::string& path, const std::string& split) {
  const auto json = lowbit::read_json(path);
  if (!json) return json.status();
  if (!json->is_object() || !json->contains(split)) {
    return status::error(errc::not_found, path, ": has no split ", split);
  }
  std::vector<example> examples;
  for (const auto& pair : (*json)[split]) {
    const bool fits =
        pair.is_array() && pair.size() == 2 && pair[0].is_string() && pair[1].is_string();
    if (!fits) {
      return status::error(errc::malformed, path, ": ", split, " entry ", examples.size(),
                           " is not [text, label]");
    }
    examples.push_back({pair[0], pair[1]});
  }
  return examples;
}

result<std::vector<example>> read_tsv(const std::string& path) {
  std::ifstream in(path);
  if (!in) return status::error(errc::not_found, path, ": cannot be read");
  std::vector<example> examples;
  std::size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    const std::size_t tab = line.rfind('\t');
    if (tab == std::string::npos) {
      return status::error(errc::malformed, path, " line ", number,
                           ": no tab between sentence and label");
    }
    examples.push_back({line.substr(0, tab), line.substr(tab + 1)});
  }
  return examples;
}

}  // namespace

result<std::vector<example>> read_examples(const std::string& path, const std::string& split) {
  auto examples = path.ends_with(".json") ? read_clinc(path, split) : read_tsv(path);
  if (examples && examples->empty()) {
    return status::error(errc::malformed, path, ": no examples");
  }
  return examples;
}

result<std::vector<std::size_t>> label_ids(const session& s, const std::vector<example>& examples,
                                           const std::string& path) {
  std::map<std::string, std::size_t> ids;
  for (std::size_t i = 0; i < s.shape().labels; ++i) ids[s.label(i)] = i;
  std::vector<std::size_t> wanted;
  for (const example& e : examples) {
    const auto it = ids.find(e.label);
    if (it == ids.end()) {
      return status::error(errc::invalid_argument, path, ": label \"", e.label,
                           "\" is not one of the model's ", ids.size());
    }
    wanted.push_back(it->second);
  }
  return wanted;
}

}  // namespace lowbit_tool
