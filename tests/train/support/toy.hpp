// SPDX-License-Identifier: Apache-2.0
// A data set whose classes are decided by one word, and what tests of recipes read of their output.
#pragma once

#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "lowbit/train/recipe/finetune.hpp"
#include "lowbit/train/recipe/vocabulary.hpp"

namespace train_test {

namespace fs = std::filesystem;

inline bool mentions(const lowbit::status& s, const std::string& text) {
  return s.message().find(text) != std::string_view::npos;
}

struct toy_data {
  fs::path path;
  explicit toy_data(const std::string& name)
      : path(fs::temp_directory_path() / ("lowbit-" + name + "-" + std::to_string(::getpid()))) {
    fs::remove_all(path), fs::create_directories(path / "data");
    const char* fillers[] = {"please", "now", "the thing", "my own thing", "for me now please"};
    const char* words[][3] = {
        {"start", "open", "begin"}, {"stop", "close", "end"}, {"wait", "hold", "pause"}};
    std::ofstream train(path / "data" / "train.tsv"), dev(path / "data" / "dev.tsv");
    for (std::size_t c = 0; c < 3; ++c) {
      for (std::size_t i = 0; i < 48; ++i) {
        const std::string line = std::string(fillers[i / 2 % 5]) + " " + words[c][i % 3] + " " +
                                 fillers[i / 10 % 5] + "\tclass " + std::to_string(c) + "\n";
        (i % 4 == 3 ? dev : train) << line;
      }
    }
    train.close(), dev.close();
    REQUIRE(lowbit::train::make_vocabulary({path / "data", path / "vocab.txt", 120, false}).ok());
  }
  toy_data(const toy_data&) = delete;
  toy_data& operator=(const toy_data&) = delete;
  ~toy_data() { fs::remove_all(path); }

  /// Where every recipe starts here; `o` are its options.
  template <class Options>
  void fill(Options& o, const std::string& out) const {
    o.data = path / "data", o.out = path / out;
    o.fit.dropout = o.fit.classifier_dropout = 0.0;
    o.fit.type = lowbit::train::precision::f32;
    o.fit.epochs = 12, o.fit.batch_size = 8, o.fit.optimizer.learning_rate = 1e-3;
  }
  /// A full precision model of two layers that knows the task, as folder `out`.
  void teach(const std::string& out) const {
    lowbit::train::finetune_options o;
    fill(o, out);
    o.vocab = path / "vocab.txt";
    o.shape.layers = 2, o.shape.hidden = 32, o.shape.heads = 4, o.shape.intermediate = 48;
    o.shape.positions = 16;
    REQUIRE(lowbit::train::finetune(o).ok());
  }
  [[nodiscard]] nlohmann::json results(const std::string& folder) const {
    return nlohmann::json::parse(std::ifstream(path / folder / "results.json"));
  }
  [[nodiscard]] std::string bytes(const std::string& file) const {
    std::ifstream in(path / file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
};

}  // namespace train_test
