// SPDX-License-Identifier: Apache-2.0
// The golden encodings of tests/text/golden, which the official tokenizers wrote, and the one
// comparer that every golden test uses.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "lowbit/text/tokenizer.hpp"

namespace golden {

inline std::filesystem::path folder() {
  return std::filesystem::path(__FILE__).parent_path() / "golden";
}

inline nlohmann::json read_json(const std::string& name) {
  std::ifstream in(folder() / name);
  if (!in) throw std::runtime_error("cannot read " + (folder() / name).string());
  return nlohmann::json::parse(in);
}

inline std::vector<std::string> vocabulary() {
  std::ifstream in(folder() / "vocab.txt");
  std::vector<std::string> tokens;
  for (std::string line; std::getline(in, line);) tokens.push_back(line);
  return tokens;
}

/// A folder of its own for files that a test writes; gone with the object.
class temporary_folder {
 public:
  temporary_folder() {
    static int count = 0;
    const auto base = std::filesystem::temp_directory_path();
    do path_ = base / ("lowbit-text-test-" + std::to_string(++count));
    while (!std::filesystem::create_directory(path_));
  }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

/// The first difference between an encoding and a golden case; nothing when they are equal.
inline std::optional<std::string> difference(const lowbit::encoding& found,
                                             const nlohmann::json& expected) {
  if (found.ids != expected.at("ids").get<std::vector<std::int32_t>>())
    return "ids " + nlohmann::json(found.ids).dump() + ", expected " + expected["ids"].dump();
  if (found.type_ids != expected.at("types").get<std::vector<std::int32_t>>())
    return "types " + nlohmann::json(found.type_ids).dump();
  auto offsets = nlohmann::json::array();
  for (const auto& span : found.offsets) offsets.push_back({span.begin, span.end});
  if (offsets != expected.at("offsets"))
    return "offsets " + offsets.dump() + ", expected " + expected["offsets"].dump();
  return std::nullopt;
}

inline lowbit::result<lowbit::encoding> encode(const lowbit::tokenizer& tokenizer,
                                               const nlohmann::json& request) {
  const auto text = request.at("text").get<std::string>();
  if (!request.contains("max")) return tokenizer.encode_plain(text);
  const auto max = request["max"].get<std::size_t>();
  if (!request.contains("pair")) return tokenizer.encode(text, max);
  return tokenizer.encode_pair(text, request["pair"].get<std::string>(), max);
}

}  // namespace golden
