// SPDX-License-Identifier: Apache-2.0
// lowbit_peers_memory FOLDER: opens a packed model, runs 128 tokens on one thread and prints the
// peak resident memory of this process in KiB. It links only lowbit, because the libraries of the
// peers would count as well.
#include <fstream>
#include <iostream>

#include "lowbit_encoder.hpp"

namespace {

std::string peak_kibibytes() {
  std::ifstream info("/proc/self/status");
  for (std::string word; info >> word;) {
    if (word == "VmHWM:" && info >> word) return word;
  }
  return "";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: lowbit_peers_memory FOLDER\n";
    return 2;
  }
  auto session = lowbit_tool::session::open(argv[1], {}, "", 1);
  if (!session) {
    std::cerr << "lowbit_peers_memory: " << session.status().message() << '\n';
    return 1;
  }
  const auto rows = lowbit_bench::make_sentences({128}, session->shape().vocabulary);
  const auto logits = session->run(rows);
  const std::string peak = peak_kibibytes();
  if (!logits || peak.empty()) return 1;
  std::cout << peak << '\n';
  return 0;
}
