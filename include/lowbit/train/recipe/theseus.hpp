// SPDX-License-Identifier: Apache-2.0
// BERT-of-Theseus: a successor with fewer layers is trained inside its predecessor. Each successor
// layer is a module that replaces a group of predecessor layers; for every batch, each module is
// used with a probability that rises to 1, after which the successor trains alone. Only the task
// loss is used. Layers left out of a batch are updated with zero gradient, so a batch has the same
// effect in one piece or in many.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "lowbit/train/model/derive.hpp"
#include "lowbit/train/recipe/stages.hpp"

namespace lowbit::train {

/// The replacement probability at a 0-based step t.
struct replacing_schedule {
  bool linear = true;
  double p0 = 0.3;         ///< linear: at the first step; constant: while t < steps
  double k = 0.0;          ///< linear: increase per step; 0: reaches 1 half-way
  std::int64_t steps = 0;  ///< constant: with p0, then the successor is alone; 0: half of all

  [[nodiscard]] double operator()(std::int64_t t) const {
    if (t >= alone_from()) return 1.0;
    return linear ? std::min(1.0, p0 + k * static_cast<double>(t)) : p0;
  }
  /// The first step with the successor alone.
  [[nodiscard]] std::int64_t alone_from() const {
    if (!linear) return steps;
    return p0 >= 1.0 ? 0 : static_cast<std::int64_t>(std::ceil((1.0 - p0) / k - 1e-9));
  }
};

/// Fills in the unset members of the schedule for a run of `total` steps.
/// Errors: invalid_argument for a run that ends before the successor trains alone
inline result<replacing_schedule> schedule_for(replacing_schedule s, std::int64_t total) {
  if (!(s.p0 >= 0.0 && s.p0 <= 1.0) || (s.p0 == 0.0 && !s.linear) || s.k < 0.0 || s.steps < 0) {
    return status::error(errc::invalid_argument, "replacing starts with p0 ", std::to_string(s.p0),
                         ", k ", std::to_string(s.k), " and ", s.steps,
                         " steps, expected p0 from 0 to 1, not 0 where it is constant, and neither "
                         "of the others negative");
  }
  const std::int64_t half = std::max<std::int64_t>(1, total / 2);
  if (s.linear && s.k == 0.0) s.k = (1.0 - s.p0) / static_cast<double>(half);
  if (!s.linear && s.steps == 0) s.steps = half;
  if (s.alone_from() < total) return s;
  return status::error(errc::invalid_argument, "the successor would stand alone from step ",
                       s.alone_from(), ", but the run has ", total,
                       "; replace faster or train longer");
}

/// Bounds of the groups of N predecessor layers that M modules replace, as even as possible: module
/// i replaces layers [bounds[i], bounds[i+1]) = [floor(iN/M), floor((i+1)N/M)).
inline std::vector<std::size_t> layer_groups(std::size_t n, std::size_t m) {
  std::vector<std::size_t> bounds;
  for (std::size_t i = 0; i <= m; ++i) bounds.push_back(i * n / m);
  return bounds;
}

/// The modules used in a step: each with probability p, drawn from (seed, step, module).
inline std::vector<bool> draw_replaced(std::uint64_t seed, std::int64_t step, std::size_t modules,
                                       double p) {
  std::vector<bool> replaced;
  for (std::size_t i = 0; i < modules; ++i) {
    // ~step, because the streams (seed, step, ..) are used to corrupt examples.
    std::mt19937_64 generator = seeded_generator(seed, ~static_cast<std::uint64_t>(step), i);
    replaced.push_back(p >= 1.0 || chance(generator, p));
  }
  return replaced;
}

/// The forward of the mixed model: module i is layer i of the successor where replaced[i], else the
/// predecessor's group. Embeddings and head are the successor's. out.hidden: after each module.
inline trace mixed_forward(bert& predecessor, bert& successor,
                           const std::vector<std::size_t>& groups,
                           const std::vector<bool>& replaced, const batch& in,
                           const forward_options& options) {
  trace out;
  Tensor x = successor.embed(in, options);
  out.hidden.push_back(x.view({in.sentences(), in.tokens(), -1}));
  const Tensor mask = bert::added_mask(in);
  const bool short_end = options.logits_only && successor.how().by_token() &&
                         successor.shape().head == head_kind::sequence;
  for (std::size_t i = 0; i < replaced.size(); ++i) {
    const bool last = short_end && i + 1 == replaced.size();
    if (replaced[i]) {
      x = successor.run_layer(i, x, in.sentences(), mask, last, options, {}, out);
    } else {
      for (std::size_t l = groups[i]; l < groups[i + 1]; ++l) {
        x = predecessor.run_layer(l, x, in.sentences(), mask, last && l + 1 == groups[i + 1],
                                  options, {}, out);
      }
    }
    out.hidden.push_back(x.view({in.sentences(), last ? 1 : in.tokens(), -1}));
  }
  successor.finish(in, options, out);
  return out;
}

/// Initial weights of a successor layer.
enum class successor_start {
  first,   ///< layer i of the predecessor, as in the authors' code
  spread,  ///< the last layer of its group
  random
};

struct theseus_options : recipe_options {  // teacher: the predecessor
  std::size_t layers = 0;                  ///< of the successor; 0: half the predecessor's
  replacing_schedule schedule;
  successor_start start = successor_start::first;
};

namespace detail {

/// The predecessor layer that each successor layer starts from; empty for a random start.
inline std::vector<std::size_t> start_layers(successor_start start,
                                             const std::vector<std::size_t>& groups) {
  std::vector<std::size_t> sources;
  if (start == successor_start::random) return sources;
  for (std::size_t i = 0; i + 1 < groups.size(); ++i) {
    sources.push_back(start == successor_start::spread ? groups[i + 1] - 1 : i);
  }
  return sources;
}

/// Freezes all parameters but the successor's layers, which it returns.
inline std::vector<named_tensor> freeze_all_but_layers(bert& predecessor, bert& successor) {
  for (const auto& [name, tensor] : predecessor.parameters()) tensor.requires_grad_(false);
  std::vector<named_tensor> layers;
  for (const auto& [name, tensor] : successor.parameters()) {
    const bool in_layer = layer_tensor::of(name).has_value();
    if (in_layer) layers.emplace_back(name, tensor);
    tensor.requires_grad_(in_layer);
  }
  return layers;
}

}  // namespace detail

/// Source: BERT-of-Theseus (Xu et al., EMNLP 2020), equations 2 to 6, for any depth ratio; the
///         authors replace two layers by one.
/// Errors: those of load_model and data_for; unsupported for a predecessor without labels;
///         invalid_argument for more successor layers than the predecessor has, and those of
///         schedule_for.
inline status theseus(const theseus_options& options) {
  LOWBIT_TRY(check_output(options));
  const torch::Device device = default_device();
  LOWBIT_TRY_ASSIGN(auto predecessor, load_model(options.teacher, device));
  model_description description = predecessor.description;
  const std::size_t depth = description.shape.layers;
  if (description.shape.head != head_kind::sequence && description.shape.head != head_kind::token) {
    return status::error(errc::unsupported, options.teacher.native(), ": a ",
                         name_of(description.shape.head),
                         " model, expected one that classifies sentences or words");
  }
  description.shape.layers =
      options.layers == 0 ? std::max<std::size_t>(1, depth / 2) : options.layers;
  const std::size_t modules = description.shape.layers;
  if (modules > depth) {
    return status::error(errc::invalid_argument, modules, " layers for the successor of ",
                         options.teacher.native(), ", which has ", depth);
  }
  LOWBIT_TRY_ASSIGN(const auto examples,
                    data_for(options, description, predecessor.tokenizer, options.teacher));
  const auto batches = steps_of_epoch(examples.train.size(), options.fit.batch_size);
  LOWBIT_TRY_ASSIGN(const auto schedule,
                    schedule_for(options.schedule, batches * options.fit.epochs));

  torch::manual_seed(options.fit.seed);
  bert successor(description.shape, predecessor.how);
  const std::vector<std::size_t> groups = layer_groups(depth, modules);
  successor.to(device);
  copy_layers(predecessor.model, successor, detail::start_layers(options.start, groups));
  show_first_batch(successor, examples, options.fit, device);
  const auto layers = detail::freeze_all_but_layers(predecessor.model, successor);
  if (options.group->leads()) {
    std::fprintf(stderr,
                 "replacing %zu layers by %zu: p %.3g at first, the successor alone from "
                 "step %lld of %lld\n",
                 depth, modules, (schedule)(0), static_cast<long long>(schedule.alone_from()),
                 static_cast<long long>(batches) * options.fit.epochs);
  }

  const forward_options forward = training_forward(options.fit, true);
  fit_job job;
  job.parameters = trained(layers);
  job.loss = [&](const batch& in, const step_info& at) {
    for (const auto& [name, tensor] : layers) {
      if (!tensor.grad().defined()) tensor.mutable_grad() = at::zeros_like(tensor);
    }
    const double p = (schedule)(at.step);
    const auto replaced = draw_replaced(options.fit.seed, at.step, modules, p);
    const trace out = mixed_forward(predecessor.model, successor, groups, replaced, in, forward);
    return at::cross_entropy_loss(out.logits, out.targets);
  };
  job.before_step = [&](const step_info& at) { at.measure("p", (schedule)(at.step)); };
  const nlohmann::json facts = {{"recipe", "theseus"},
                                {"predecessor_layers", depth},
                                {"groups", groups},
                                {"schedule", schedule.linear ? "linear" : "constant"},
                                {"p0", schedule.p0},
                                {"k", schedule.k},
                                {"alone_from", schedule.alone_from()},
                                {"start", options.start == successor_start::first    ? "first"
                                          : options.start == successor_start::spread ? "spread"
                                                                                     : "random"}};
  return train_and_write(successor, description, examples, predecessor.tokenizer.unk_id(), options,
                         facts, std::move(job));
}

}  // namespace lowbit::train
