// SPDX-License-Identifier: Apache-2.0
// Gradients of one batch, independent of the number of pieces that it is split into.
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

/// The number of units that the batch's loss is a mean over.
inline double units_of(const batch& in, loss_unit unit) {
  if (in.labels.dim() == 1 || unit == loss_unit::sentence) {
    return static_cast<double>(in.sentences());
  }
  return in.labels.ne(ignored_label).sum().item<double>();
}

/// The result of one step, the same in every process.
struct step_outcome {
  double loss = 0.0;
  bool stop = false;  ///< a process received a stop request
};

/// Gradients of one batch, split into pieces over processes and `accumulate`; returns their mean
/// loss. Pieces are padded to the width of the whole batch, because some losses average over
/// padding, too. Gradients and loss are those of the mean over the whole batch; measures are means
/// over this process's pieces.
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
    const double units = units_of(in, job.unit);
    if (units == 0) continue;
    std::map<std::string, double> measures;
    step_info piece = info;
    piece.measures = &measures;
    const Tensor value = job.loss(in, piece);
    loss_sum += value.item<double>() * units;
    units_sum += units;
    for (const auto& [name, measure] : measures) measured[name] += measure * units;
    // A non-finite loss is detected below, so its gradient is not computed. A loss that depends on
    // no trained parameter has none.
    if (std::isfinite(loss_sum) && value.requires_grad()) {
      (all == 1 ? value : value * units).backward();
    }
  }
  for (const auto& [name, measure] : measured) info.measure(name, measure / units_sum);
  const bool stop = options.stop_asked && options.stop_asked();
  if (all == 1) return step_outcome{units_sum == 0 ? 0.0 : loss_sum / units_sum, stop};
  std::vector<double> counts{loss_sum, units_sum, stop ? 1.0 : 0.0};
  std::vector<Tensor> summed;
  for (const trained_parameter& p : job.parameters) {
    counts.push_back(p.tensor.grad().defined() ? 1.0 : 0.0);
    if (!p.tensor.grad().defined()) p.tensor.mutable_grad() = at::zeros_like(p.tensor);
    summed.push_back(p.tensor.grad());
  }
  const Tensor totals = at::tensor(counts, at::kDouble);
  summed.push_back(totals);
  std::vector<Tensor> seen;  // per maximum, a row for each process, to which the others add zeros
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
  const double* total = totals.data_ptr<double>();
  const double units = std::max(total[1], 1.0);
  torch::NoGradGuard no_gradients;
  for (std::size_t i = 0; i < job.parameters.size(); ++i) {
    Tensor& gradient = job.parameters[i].tensor.mutable_grad();
    if (total[3 + i] > 0) {
      gradient.div_(units);
    } else {
      gradient.reset();  // unused by the loss: no weight decay, as in one piece
    }
  }
  return step_outcome{total[0] / units, total[2] > 0};
}

}  // namespace lowbit::train::detail
