// SPDX-License-Identifier: Apache-2.0
// Gradients of one batch, whatever the number of pieces that it is computed in.
#pragma once

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "lowbit/train/loop/fit_job.hpp"
#include "lowbit/train/loop/workers.hpp"

namespace lowbit::train::detail {

/// What the mean of a batch's loss is taken over.
inline double units_of(const batch& in) {
  if (in.labels.dim() == 1) return static_cast<double>(in.labels.size(0));
  return in.labels.ne(ignored_label).sum().item<double>();
}

/// What one step found out, the same in every process.
struct step_outcome {
  double loss = 0.0;
  bool stop = false;  ///< a process was asked to stop
};

/// Gradients of one batch, cut in pieces over processes and `accumulate`; the loss is their mean.
/// Pieces are as wide as the whole batch, because some losses are means over padding, too. The
/// gradient is that of the whole batch's mean, whatever the number of pieces; so are the measures,
/// of this process' pieces.
inline result<step_outcome> accumulate_gradients(const fit_job& job,
                                                 const std::vector<example>& training,
                                                 const std::vector<std::size_t>& members,
                                                 const fit_options& options,
                                                 const torch::Device& device, const workers& group,
                                                 const step_info& info) {
  const std::size_t own = options.accumulate, all = own * group.size();
  const auto pieces = cut_batch(members, all);
  std::size_t width = 0;
  for (const std::size_t m : members) width = std::max(width, training[m].ids.size());
  double loss_sum = 0.0, units_sum = 0.0;
  std::map<std::string, double> measured;
  for (std::size_t p = group.rank() * own; p < (group.rank() + 1) * own; ++p) {
    if (pieces[p].empty()) continue;
    const batch in =
        make_batch(training, pieces[p], job.corrupt, options.seed, info.step, device, width);
    const double units = units_of(in);
    if (units == 0) continue;
    std::map<std::string, double> measures;
    step_info piece = info;
    piece.measures = &measures;
    const Tensor value = job.loss(in, piece);
    loss_sum += value.item<double>() * units;
    units_sum += units;
    for (const auto& [name, measure] : measures) measured[name] += measure * units;
    // A loss that is not finite is found below; its gradient would only cost time. One that nothing
    // trained took part in has none.
    if (std::isfinite(loss_sum) && value.requires_grad()) {
      (all == 1 ? value : value * units).backward();
    }
  }
  for (const auto& [name, measure] : measured) info.measure(name, measure / units_sum);
  const bool stop = options.stop_asked && options.stop_asked();
  if (all == 1) return step_outcome{units_sum == 0 ? 0.0 : loss_sum / units_sum, stop};
  const Tensor totals =
      at::tensor(std::vector<double>{loss_sum, units_sum, stop ? 1.0 : 0.0}, at::kDouble);
  std::vector<Tensor> summed{totals};
  for (const trained_parameter& p : job.parameters) {
    if (!p.tensor.grad().defined()) p.tensor.mutable_grad() = at::zeros_like(p.tensor);
    summed.push_back(p.tensor.grad());
  }
  std::vector<Tensor> seen;  // of each maximum a row for every process: the others add zeros
  for (const Tensor& maximum : job.maxima) {
    seen.push_back(
        at::zeros({static_cast<std::int64_t>(group.size()), maximum.numel()}, maximum.options()));
    seen.back()[static_cast<std::int64_t>(group.rank())].copy_(maximum.flatten());
    summed.push_back(seen.back());
  }
  LOWBIT_TRY(group.sum(summed));
  for (std::size_t i = 0; i < seen.size(); ++i) {
    job.maxima[i].copy_(seen[i].amax(0).view(job.maxima[i].sizes()));
  }
  const double units = std::max(totals[1].item<double>(), 1.0);
  torch::NoGradGuard no_gradients;
  for (const trained_parameter& p : job.parameters) p.tensor.mutable_grad().div_(units);
  return step_outcome{totals[0].item<double>() / units, totals[2].item<double>() > 0};
}

}  // namespace lowbit::train::detail
