// SPDX-License-Identifier: Apache-2.0
// A toy set for whole recipes: sentences whose class one word decides, in a folder of its own with
// a vocabulary, and a way to train small models on it.
#pragma once

#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "lowbit/train/recipe/finetune.hpp"
#include "lowbit/train/recipe/vocabulary.hpp"

namespace lowbit_test {

inline bool mentions(const lowbit::status& s, const std::string& text) {
  return s.message().find(text) != std::string_view::npos;
}

struct separable_set {
  std::filesystem::path path;

  explicit separable_set(const std::string& name)
      : path(std::filesystem::temp_directory_path() /
             ("lowbit-" + name + "-" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(path), std::filesystem::create_directories(path / "data");
    const char* fillers[] = {"please", "now", "the thing", "my own thing", "for me now please"};
    const char* classes[][2] = {{"start", "open"}, {"stop", "close"}};
    std::ofstream train(path / "data" / "train.tsv"), dev(path / "data" / "dev.tsv");
    for (std::size_t c = 0; c < 2; ++c) {
      for (std::size_t i = 0; i < 40; ++i) {
        const std::string line = std::string(classes[c][i % 2]) + " " + fillers[i / 2 % 5] + " " +
                                 fillers[i / 10 % 5] + "\tclass " + std::to_string(c) + "\n";
        (i % 4 == 3 ? dev : train) << line;
      }
    }
    train.close(), dev.close();
    REQUIRE(lowbit::train::make_vocabulary({path / "data", path / "vocab.txt", 120, false}).ok());
  }
  separable_set(const separable_set&) = delete;
  separable_set& operator=(const separable_set&) = delete;
  ~separable_set() { std::filesystem::remove_all(path); }

  /// A full precision model <layers, hidden, 2, 2 hidden> in the folder `out`.
  void train_model(const std::string& out, std::size_t layers, std::size_t hidden,
                   std::int64_t epochs) const {
    lowbit::train::finetune_options o;
    o.data = path / "data", o.out = path / out, o.vocab = path / "vocab.txt";
    o.shape.layers = layers, o.shape.hidden = hidden, o.shape.heads = 2;
    o.shape.intermediate = 2 * hidden, o.shape.positions = 16;
    o.fit.epochs = epochs, o.fit.batch_size = 8, o.fit.optimizer.learning_rate = 1e-3;
    REQUIRE(lowbit::train::finetune(o).ok());
  }
  [[nodiscard]] nlohmann::json json(const std::string& file) const {
    return nlohmann::json::parse(std::ifstream(path / file));
  }
  [[nodiscard]] std::string bytes(const std::string& file) const {
    std::ifstream in(path / file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
};

}  // namespace lowbit_test
