// SPDX-License-Identifier: Apache-2.0
// Keeps several processes in step: the same initial values, the same random numbers where needed,
// and the leader's scores. All no-ops in a single process.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/train/data/batching.hpp"
#include "lowbit/train/loop/checkpoint.hpp"
#include "lowbit/train/loop/workers.hpp"

namespace lowbit::train::detail {

/// Seeds the random generator for a step. Before the pieces of a batch are computed all processes
/// draw the same; during them each has its own seed (`rank` + 1), or all pieces would get the same
/// dropout. A single process keeps its generator, whose state is in the checkpoint.
inline void seed_step(const workers& group, std::uint64_t seed, std::int64_t step,
                      std::size_t rank) {
  if (group.size() == 1) return;
  torch::manual_seed(seeded_generator(seed, static_cast<std::uint64_t>(step), ~rank)());
}

/// Starts all processes from the leader's tensors and counters.
inline status share_start(const workers& group, const std::vector<named_tensor>& tensors,
                          run_state& run) {
  if (group.size() == 1) return {};
  const Tensor counters = at::tensor(
      std::vector<double>{static_cast<double>(run.step), run.best,
                          static_cast<double>(run.best_epoch), static_cast<double>(run.collected)},
      at::kDouble);
  std::vector<Tensor> all{counters};
  for (const auto& [name, tensor] : tensors) all.push_back(tensor.detach());
  LOWBIT_TRY(group.share(all));
  run.step = static_cast<std::int64_t>(counters[0].item<double>());
  run.best = counters[1].item<double>();
  run.best_epoch = static_cast<std::int64_t>(counters[2].item<double>());
  run.collected = static_cast<std::int64_t>(counters[3].item<double>());
  return {};
}

/// Returns the leader's score in every process, so that all select the same parameters.
inline result<double> agreed(const workers& group, double score) {
  const Tensor shared = at::full({1}, score, at::kDouble);
  LOWBIT_TRY(group.share({shared}));
  return shared.item<double>();
}

}  // namespace lowbit::train::detail
