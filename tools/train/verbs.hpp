// SPDX-License-Identifier: Apache-2.0
// The commands of lowbit-train, one file each: a command declares its options and sets the action
// to run if it was chosen.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace lowbit_train {

/// Runs the chosen command and returns the exit code.
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
