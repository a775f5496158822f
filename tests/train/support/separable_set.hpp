// SPDX-License-Identifier: Apache-2.0
// A toy set for whole recipes: sentences whose class one word decides, in a folder of its own with
// a vocabulary, and the options of small models on it.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <string>

#include "lowbit/train/recipe/finetune.hpp"
#include "lowbit/train/recipe/vocabulary.hpp"
#include "support/scratch.hpp"

namespace train_test {

/// Of each of two classes 30 sentences to train on and 10 to validate.
struct separable_set : scratch_folder {
  explicit separable_set(const std::string& name) : scratch_folder(name) {
    fs::create_directories(path / "data");
    const char* fillers[] = {"please", "now", "the thing", "my own thing", "for me now please"};
    const char* words[2][2] = {{"start", "open"}, {"stop", "close"}};
    std::ofstream train(path / "data" / "train.tsv"), dev(path / "data" / "dev.tsv");
    for (std::size_t c = 0; c < 2; ++c) {
      for (std::size_t i = 0; i < 40; ++i) {
        (i % 4 == 3 ? dev : train) << words[c][i / 4 % 2] << " " << fillers[i / 2 % 5] << " "
                                   << fillers[i / 10 % 5] << "\tclass " << c << "\n";
      }
    }
    train.close(), dev.close();
    REQUIRE(lowbit::train::make_vocabulary({path / "data", path / "vocab.txt", 120, false}).ok());
  }

  /// Where the options of every recipe start here.
  void fill(lowbit::train::recipe_options& o, const std::string& out, std::int64_t epochs) const {
    o.data = path / "data", o.out = path / out;
    o.fit.epochs = epochs, o.fit.batch_size = 8, o.fit.optimizer.learning_rate = 1e-3;
  }
  /// A full precision model <layers, hidden, 2, 2 hidden> in the folder `out`.
  [[nodiscard]] lowbit::train::finetune_options model(const std::string& out, std::size_t layers,
                                                      std::size_t hidden,
                                                      std::int64_t epochs) const {
    lowbit::train::finetune_options o;
    fill(o, out, epochs);
    o.vocab = path / "vocab.txt";
    o.shape.layers = layers, o.shape.hidden = hidden, o.shape.heads = 2;
    o.shape.intermediate = 2 * hidden, o.shape.positions = 16;
    return o;
  }
  /// One of two layers whose training draws everything that can be drawn.
  [[nodiscard]] lowbit::train::finetune_options noisy_model(const std::string& out) const {
    auto o = model(out, 2, 32, 15);
    o.fit.token_dropout = 0.05;
    return o;
  }
  void train_model(const std::string& out, std::size_t layers, std::size_t hidden,
                   std::int64_t epochs) const {
    REQUIRE(lowbit::train::finetune(model(out, layers, hidden, epochs)).ok());
  }
};

}  // namespace train_test
