// SPDX-License-Identifier: Apache-2.0
// BinaryBERT (Bai et al., ACL 2021): a ternary model of a fraction of the teacher's width is
// trained, each matrix is split into two one-bit matrices, and training continues. TernaryBERT
// (Zhang et al., EMNLP 2020) has no split and learns logits and layers at once.
#pragma once

#include <optional>

#include "lowbit/train/loss/layer_errors.hpp"
#include "lowbit/train/loss/soft_targets.hpp"
#include "lowbit/train/model/derive.hpp"
#include "lowbit/train/recipe/stages.hpp"

namespace lowbit::train {

struct binarybert_options : recipe_options {
  bool ternarybert = false;  ///< the scheme of TernaryBERT; then weight_bits is 2
  unsigned weight_bits = 1;  ///< 2: stop before the split
  unsigned input_bits = 8;   ///< 8, 4 or 2
  double width = 0.5;        ///< fraction of the teacher's heads and neurons
  double clip_rate = 1e-4;   ///< learning rate of clips and steps
  double layer_rate = 2.5;   ///< factor on the learning rate while only layers are matched
  double split_rate = 0.0;   ///< learning rate after the split; 0: unchanged
};

namespace detail {

/// One training stage.
struct binarybert_stage {
  std::string suffix;
  bool split = false;
  bool layers = false, logits = false;  ///< distilled: hidden states and scores, logits
};

inline std::vector<binarybert_stage> binarybert_stages(const binarybert_options& o) {
  if (o.ternarybert) return {{"", false, true, true}};
  if (o.weight_bits == 2)
    return {{".ternary-layers", false, true, false}, {"", false, false, true}};
  return {{".ternary-layers", false, true, false},
          {".ternary", false, false, true},
          {".split-layers", true, true, false},
          {"", true, false, true}};
}

inline scheme_ptr binarybert_stage_scheme(const binarybert_options& o, bool split) {
  if (o.ternarybert) return std::make_shared<ternarybert_scheme>(o.input_bits);
  return std::make_shared<binarybert_scheme>(binarybert_format::of(o.input_bits, !split, split));
}

/// The distillation loss: hidden states and scores of the kept heads, logits, or both.
inline Tensor binarybert_loss(const trace& out, const trace& target, const binarybert_stage& stage,
                              const std::vector<Tensor>& heads) {
  if (!stage.layers) return soft_cross_entropy(out.logits, target.logits);
  const Tensor layers = hidden_error(out, target) + score_error(out, target, heads);
  return stage.logits ? layers + soft_cross_entropy(out.logits, target.logits) : layers;
}

}  // namespace detail

/// BinaryBERT trains its ternary and its split model in two stages each (section 3.3): first mean
/// squared errors of hidden states and attention scores, at layer_rate times the learning rate,
/// then soft cross entropy of the logits. TernaryBERT minimizes the sum of all three (section 3.2).
/// A student's head learns from the teacher's head that it was taken from.
///
/// Writes OUT.ternary-layers, OUT.ternary, OUT.split-layers and OUT; TernaryBERT writes OUT only.
/// Errors: those of load_float_model and narrow_shape
inline status binarybert(const binarybert_options& options) {
  const unsigned weight_bits = options.ternarybert ? 2 : options.weight_bits;
  const auto stages = detail::binarybert_stages(options);
  std::vector<std::string> suffixes;
  for (const auto& s : stages) suffixes.push_back(s.suffix);
  LOWBIT_TRY(check_outputs(options, suffixes));
  const torch::Device device = default_device();
  LOWBIT_TRY_ASSIGN(auto teacher, load_float_model(options.teacher, device));
  model_description description = teacher.description;
  LOWBIT_TRY_ASSIGN(description.shape, narrow_shape(description.shape, options.width));
  description.shape.pooler_act = pooler_activation::tanh;
  if (!options.ternarybert) description.shape.layer_norm_eps = 1e-12F;  // fixed in BinaryBERT
  LOWBIT_TRY_ASSIGN(const auto examples,
                    data_for(options, description, teacher.tokenizer, options.teacher));
  const std::vector<kept_units> kept = choose_units(teacher.model, description.shape);
  std::vector<Tensor> heads;  // per layer, the teacher's heads that were kept
  for (const kept_units& k : kept) heads.push_back(at::tensor(k.heads).to(device));

  const staged_run run{options, description, examples, teacher.tokenizer.unk_id(),
                       options.clip_rate};
  std::optional<bert> previous;
  for (std::size_t s = 0; s < stages.size(); ++s) {
    const detail::binarybert_stage& now = stages[s];
    recipe_options stage = stage_options(options, now.suffix);
    double& rate = stage.fit.optimizer.learning_rate;
    if (now.split && options.split_rate > 0.0) rate = options.split_rate;
    if (!now.logits) rate *= options.layer_rate;
    torch::manual_seed(options.fit.seed);
    const scheme_ptr how = detail::binarybert_stage_scheme(options, now.split);
    bert student(description.shape, how);
    if (!previous) {
      LOWBIT_TRY(copy_narrowed(teacher.model, kept, student));
    } else if (previous->how().parts() != how->parts()) {
      LOWBIT_TRY(copy_split(*previous, student));
    } else {
      LOWBIT_TRY(copy_shared(*previous, student));
    }
    student.to(device);
    const nlohmann::json facts = {{"recipe", options.ternarybert ? "ternarybert" : "binarybert"},
                                  {"weight_bits", weight_bits},
                                  {"input_bits", options.input_bits},
                                  {"width", options.width},
                                  {"clip_rate", options.clip_rate},
                                  {"stage", s + 1},
                                  {"taught", !now.layers   ? "logits"
                                             : !now.logits ? "layers"
                                                           : "layers and logits"}};
    const auto go_on = train_stage(
        run, stage, student, teacher.model, facts,
        [&](const batch&, const step_info&, const trace& out, const trace& target) {
          return detail::binarybert_loss(out, target, now, heads);
        },
        now.logits ? loss_unit::label : loss_unit::sentence);
    if (!go_on || !*go_on) return go_on.status();
    previous.emplace(std::move(student));
  }
  return {};
}

}  // namespace lowbit::train
