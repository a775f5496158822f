// SPDX-License-Identifier: Apache-2.0
// Pruning with fine-tuning of a fine-tuned full precision model: single weights by magnitude, or
// whole heads and neurons by their effect on the loss. The output is a full precision folder with
// exact zeros, or of a smaller shape.
#pragma once

#include "lowbit/train/model/magnitude_masks.hpp"
#include "lowbit/train/model/structure.hpp"
#include "lowbit/train/recipe/stages.hpp"
#include "lowbit/train/recipe/supervision.hpp"

namespace lowbit::train {

struct prune_options : recipe_options {
  double sparsity = 0.0;    ///< of each encoder matrix and the pooler; 0: prune heads and neurons
  double begin = 0.0;       ///< fraction of the steps before pruning starts
  double end = 0.7;         ///< fraction of the steps after which the zeros are fixed
  std::int64_t every = 10;  ///< steps between two updates of the zeros
  std::size_t heads = 0, neurons = 0;  ///< kept per layer; 0: all
  std::size_t rounds = 1;              ///< of pruning and fine-tuning, each for all epochs
  std::size_t batches = 64;            ///< of training examples to measure importance
  soft_target_options objective{1.0, 1.0, 1.0};
};

namespace detail {

/// Shared by both kinds: the loaded model, its data and its objective.
struct prune_start {
  loaded_model from;
  tokenized_dataset examples;
  supervision objective;

  static result<prune_start> load(const prune_options& options,
                                  const std::filesystem::path& folder) {
    const torch::Device device = default_device();
    LOWBIT_TRY_ASSIGN(auto from, load_float_model(folder, device));
    LOWBIT_TRY_ASSIGN(auto objective, supervision::load(options.teacher, from.description,
                                                        options.objective, device));
    LOWBIT_TRY_ASSIGN(auto examples, data_for(options, objective.readable(from.description),
                                              from.tokenizer, folder));
    return prune_start{std::move(from), std::move(examples), std::move(objective)};
  }
  /// Fine-tunes `model` into options.out.
  status train(bert& model, const prune_options& options, nlohmann::json facts, fit_job job) {
    const forward_options forward = training_forward(options.fit, true);
    job.loss = [&, forward](const batch& in, const step_info&) {
      return objective.loss(in, model.forward(in, forward), forward.type);
    };
    facts["recipe"] = "prune";
    model_description description = from.description;
    description.shape = model.shape();
    return train_and_write(model, description, examples, from.tokenizer.unk_id(), options,
                           std::move(facts), std::move(job));
  }
};

inline status prune_weights(const prune_options& options) {
  LOWBIT_TRY_ASSIGN(auto start, prune_start::load(options, options.student));
  bert& model = start.from.model;
  std::vector<named_tensor> matrices;  // the matrices that io/encode_model.hpp makes sparse
  for (const linear_layout& layer : linear_layers(model.shape())) {
    if (layer.at == site::classifier) continue;
    for (const auto& p : model.parameters()) {
      if (p.first == layer.name + ".weight") matrices.push_back(p);
    }
  }
  torch::manual_seed(options.fit.seed);
  magnitude_masks masks(matrices);
  const auto steps = steps_of_epoch(start.examples.train.size(), options.fit.batch_size);
  const auto schedule = sparsity_schedule::of_run(options.sparsity, options.begin, options.end,
                                                  options.every, steps * options.fit.epochs);
  fit_job job;
  job.buffers = masks.buffers();
  job.before_step = [&](const step_info& info) {
    info.measure("sparsity", schedule.in_force(info.step));
    if (schedule.updates_at(info.step)) masks.prune(schedule.at(info.step));
  };
  job.after_step = [&](const step_info&) { masks.apply(); };
  job.eligible = [&](std::int64_t step) { return step > schedule.last(); };
  return start.train(model, options,
                     {{"objective", start.objective.facts()},
                      {"sparsity", options.sparsity},
                      {"first_update", schedule.first},
                      {"last_update", schedule.last()},
                      {"every", schedule.every}},
                     std::move(job));
}

/// Units kept after `round` of `rounds`: equal steps from `all` to `last`.
inline std::size_t left_after(std::size_t round, std::size_t rounds, std::size_t all,
                              std::size_t last) {
  return all - (all - last) * round / rounds;
}

/// One round of `whole`: measure, prune, fine-tune. `start` then holds the smaller model, read back
/// if an earlier call finished the round.
///
/// Returns: true to continue with the next round; false if this one was stopped by stop_after
inline result<bool> prune_units_once(const prune_options& whole, const prune_options& round,
                                     prune_start& start, std::size_t heads, std::size_t neurons) {
  const nlohmann::json facts = {{"heads", heads},
                                {"neurons", neurons},
                                {"measured_batches", round.batches},
                                {"objective", start.objective.facts()}};
  announce(round, std::to_string(heads) + " heads, " + std::to_string(neurons) + " neurons");
  LOWBIT_TRY_ASSIGN(const auto done, stage_finished(whole, round, "fp32", start.examples, facts));
  bert& from = start.from.model;
  if (done) {
    bert small(narrowed(from.shape(), heads, neurons), start.from.how);
    LOWBIT_TRY(load_parameters(round.out, small.exported()));
    small.to(default_device());
    from = std::move(small);
    return true;
  }
  std::mt19937_64 generator = seeded_generator(round.fit.seed, 0);
  const auto plan = plan_batches(start.examples.train, round.fit.batch_size, &generator);
  std::vector<batch> batches;
  for (std::size_t b = 0; b < std::min(plan.size(), round.batches); ++b) {
    batches.push_back(make_batch(start.examples.train, plan[b], default_device()));
  }
  const auto measured = importance(from, batches, [](const batch&, const trace& out) {
    return at::cross_entropy_loss(out.logits, out.targets);
  });
  std::vector<kept_units> kept;
  nlohmann::json kept_heads = nlohmann::json::array();
  for (const unit_importance& layer : measured) {
    kept.push_back({most_important(layer.heads, heads), most_important(layer.neurons, neurons)});
    kept_heads.push_back(kept.back().heads);
  }
  torch::manual_seed(round.fit.seed);
  bert small = shrink(from, kept, start.from.how);
  nlohmann::json more = facts;
  more["heads_kept"] = kept_heads;
  LOWBIT_TRY(start.train(small, round, more, {}));
  from = std::move(small);
  return !was_stopped(round);
}

/// Rounds before the last are stored in OUT.round1, .. next to the output.
inline status prune_units(const prune_options& options) {
  LOWBIT_TRY_ASSIGN(auto start, prune_start::load(options, options.student));
  const model_shape shape = start.from.model.shape();
  const std::size_t heads = options.heads == 0 ? shape.heads : options.heads;
  const std::size_t neurons = options.neurons == 0 ? shape.intermediate : options.neurons;
  if (heads > shape.heads || neurons > shape.intermediate) {
    return status::error(errc::invalid_argument, options.student.native(), ": has ", shape.heads,
                         " heads and ", shape.intermediate, " neurons in a layer, cannot keep ",
                         heads, " and ", neurons);
  }
  std::vector<std::string> suffixes;
  for (std::size_t r = 1; r < options.rounds; ++r) suffixes.push_back(".round" + std::to_string(r));
  suffixes.emplace_back();
  LOWBIT_TRY(check_outputs(options, suffixes));
  for (std::size_t r = 1; r <= options.rounds; ++r) {
    prune_options round = options;
    static_cast<recipe_options&>(round) = stage_options(options, suffixes[r - 1]);
    const auto go_on =
        prune_units_once(options, round, start, left_after(r, options.rounds, shape.heads, heads),
                         left_after(r, options.rounds, shape.intermediate, neurons));
    if (!go_on || !*go_on) return go_on.status();
  }
  return {};
}

}  // namespace detail

/// Errors: invalid_argument for neither or both kinds, a sparsity outside 0..1, or more units than
///         there are; those of load_float_model
inline status prune(const prune_options& options) {
  LOWBIT_TRY(check_output(options));
  const bool units = options.heads != 0 || options.neurons != 0;
  const bool weights = options.sparsity != 0;
  if (units == weights) {
    return status::error(errc::invalid_argument, "prune either single weights (a sparsity) or ",
                         "units (heads or neurons to keep)");
  }
  if (units) return detail::prune_units(options);
  if (!(options.sparsity > 0 && options.sparsity < 1)) {
    return status::error(errc::invalid_argument, "sparsity is ", std::to_string(options.sparsity),
                         ", expected a number between 0 and 1");
  }
  if (!(options.begin < options.end)) {
    return status::error(errc::invalid_argument, "pruning begins at ", number_text(options.begin),
                         " of the steps and ends at ", number_text(options.end),
                         ", expected a later end");
  }
  return detail::prune_weights(options);
}

}  // namespace lowbit::train
