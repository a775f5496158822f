// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target where there is no libFuzzer: on the files of a folder, every one of which must
// be accepted, and on random changes of them from a fixed seed.
//   lowbit_fuzz_loader FOLDER [MUTANTS]
//   lowbit_fuzz_loader FILE
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "fuzz.hpp"

namespace {

std::mt19937 source(20240607);

std::size_t below(std::size_t n) { return n == 0 ? 0 : source() % n; }

/// The input that runs, for the handler of what ends the program.
std::string current;

/// Writes it down, as libFuzzer does.
extern "C" void keep_input(int signal) {
  const int file = ::open("lowbit-fuzz-finding", O_CREAT | O_TRUNC | O_WRONLY, 0644);
  if (file >= 0 && ::write(file, current.data(), current.size()) >= 0)
    std::fputs("the input is in lowbit-fuzz-finding\n", stderr);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void run(const std::string& input) {
  current = input;
  // a block of exactly this size, so that a sanitizer sees the first byte past the end
  const std::vector<std::uint8_t> exact(input.begin(), input.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

}  // namespace

/// A flipped bit, another byte, a dropped or repeated run.
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size,
                                        std::size_t max_size) {
  std::string bytes(lowbit_fuzz::text_of(data, size));
  const std::size_t at = below(size);
  const std::size_t run = 1 + below(std::min<std::size_t>(size - at, 16));
  if (bytes.empty()) {
    bytes += static_cast<char>(source());
  } else if (const std::size_t kind = below(4); kind == 0) {
    bytes[at] = static_cast<char>(bytes[at] ^ 1 << below(8));
  } else if (kind == 1) {
    bytes[at] = static_cast<char>(source());
  } else if (kind == 2) {
    bytes.erase(at, run);
  } else {
    bytes.insert(below(size), bytes.substr(at, run));
  }
  bytes.resize(std::min(bytes.size(), max_size));
  std::copy(bytes.begin(), bytes.end(), data);
  return bytes.size();
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  for (const int signal : {SIGABRT, SIGSEGV, SIGILL, SIGFPE, SIGBUS})
    std::signal(signal, keep_input);
  if (!std::filesystem::is_directory(argv[1])) {
    run(read(argv[1]));
    return 0;
  }
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1]))
    paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> inputs;
  bool refused = paths.empty();
  for (const auto& path : paths) {
    inputs.push_back(read(path));
    const std::size_t before = lowbit_fuzz::accepted;
    run(inputs.back());
    if (lowbit_fuzz::accepted != before) continue;
    std::fprintf(stderr, "%s: refused, expected a sound input: %s\n", path.c_str(),
                 lowbit_fuzz::refusal.c_str());
    refused = true;
  }
  const unsigned long mutants = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 0;
  lowbit_fuzz::accepted = 0;
  for (unsigned long i = 0; i < mutants && !inputs.empty(); ++i) {
    std::string mutant = inputs[below(inputs.size())];
    for (std::size_t changes = 1 + below(3); changes != 0; --changes) {
      std::size_t size = mutant.size();
      mutant.resize(size + 256);
      size = LLVMFuzzerCustomMutator(reinterpret_cast<std::uint8_t*>(mutant.data()), size,
                                     mutant.size(), static_cast<unsigned>(source()));
      mutant.resize(size);
    }
    run(mutant);
  }
  std::printf("%zu inputs, %zu of %lu mutants accepted\n", inputs.size(), lowbit_fuzz::accepted,
              mutants);
  if (mutants != 0 && (lowbit_fuzz::accepted == 0 || lowbit_fuzz::accepted == mutants)) {
    std::fprintf(stderr, "expected some mutants to be accepted and some refused\n");
    return 1;
  }
  return refused ? 1 : 0;
}
