// SPDX-License-Identifier: Apache-2.0
// The verbs of lowbit-train, one file each: a verb declares its options and leaves behind what is
// to be done when it was chosen.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace lowbit_train {

/// Runs the chosen verb and returns the exit code.
using action = std::function<int()>;

void add_vocab(CLI::App& app, action& chosen);
void add_pretrain(CLI::App& app, action& chosen);
void add_finetune(CLI::App& app, action& chosen);
void add_distill(CLI::App& app, action& chosen);
void add_augment(CLI::App& app, action& chosen);
void add_qat(CLI::App& app, action& chosen);
void add_prune(CLI::App& app, action& chosen);
void add_bibert(CLI::App& app, action& chosen);
void add_bit(CLI::App& app, action& chosen);
void add_ternarybert(CLI::App& app, action& chosen);
void add_binarybert(CLI::App& app, action& chosen);
void add_theseus(CLI::App& app, action& chosen);
void add_search(CLI::App& app, action& chosen);

}  // namespace lowbit_train
