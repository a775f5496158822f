// SPDX-License-Identifier: Apache-2.0
// The C++ half of scripts/tokenizer-diff: requests as JSON lines on stdin, one JSON line of ids and
// byte offsets for each on stdout. usage: tokenize_lines FOLDER_OR_FILE < requests > answers
//   {"text": "..", "pair": "..", "max": 32}   pair: optional; max: optional, without it no specials
#include <cstdio>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "lowbit/text/tokenizer.hpp"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: tokenize_lines FOLDER_OR_FILE < requests > answers\n";
    return 2;
  }
  const auto tokenizer = lowbit::tokenizer::load(argv[1]);
  if (!tokenizer) {
    std::cerr << tokenizer.status().message() << '\n';
    return 1;
  }
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto request = nlohmann::json::parse(line, nullptr, false);
    if (request.is_discarded()) {
      std::cerr << "not JSON: " << line << '\n';
      return 1;
    }
    const auto text = request.at("text").get<std::string>();
    const auto max = request.value("max", std::size_t{0});
    const auto encoded =
        !request.contains("max") ? tokenizer->encode_plain(text)
        : request.contains("pair")
            ? tokenizer->encode_pair(text, request.at("pair").get<std::string>(), max)
            : tokenizer->encode(text, max);
    nlohmann::json answer;
    if (!encoded) {
      answer["error"] = std::string(encoded.status().message());
    } else {
      answer["ids"] = encoded->ids;
      answer["types"] = encoded->type_ids;
      for (const auto& span : encoded->offsets) answer["offsets"].push_back({span.begin, span.end});
      answer["truncated"] = encoded->truncated;
    }
    std::cout << answer.dump() << '\n';
  }
}
