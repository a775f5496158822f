// SPDX-License-Identifier: Apache-2.0
// BinaryBERT (Bai et al., ACL 2021): a ternary model of a part of the teacher's width, split into
// two one-bit matrices per layer, trained on. TernaryBERT (Zhang et al., EMNLP 2020) is the same
// way up to the split.
#pragma once

#include <optional>

#include "lowbit/train/loss/distillation.hpp"
#include "lowbit/train/loss/layer_matching.hpp"
#include "lowbit/train/model/derive.hpp"
#include "lowbit/train/recipe/stages.hpp"

namespace lowbit::train {

struct binarybert_options : recipe_options {
  bool ternarybert = false;  ///< the scheme of TernaryBERT; then weight_bits is 2
  unsigned weight_bits = 1;  ///< 2: stop before the split
  unsigned input_bits = 8;   ///< 8, 4 or 2
  double width = 0.5;        ///< of the teacher's heads and neurons
  double clip_rate = 1e-4;   ///< learning rate of clips and steps
  double layer_rate = 2.5;   ///< factor on the learning rate where layers are matched
};

namespace detail {

/// One training of the way.
struct binarybert_stage {
  std::string suffix;
  bool split = false;
  bool layers = false;  ///< hidden states and scores; else logits
};

inline std::vector<binarybert_stage> binarybert_stages(unsigned weight_bits) {
  if (weight_bits == 2) return {{".ternary-layers", false, true}, {"", false, false}};
  return {{".ternary-layers", false, true},
          {".ternary", false, false},
          {".split-layers", true, true},
          {"", true, false}};
}

inline scheme_ptr binarybert_stage_scheme(const binarybert_options& o, bool split) {
  if (o.ternarybert) return std::make_shared<ternarybert_scheme>(o.input_bits);
  return std::make_shared<binarybert_scheme>(binarybert_format::of(o.input_bits, !split, split));
}

/// Hidden states and scores of the heads that were kept, or logits.
inline Tensor binarybert_loss(const trace& out, const trace& target, bool layers,
                              const std::vector<Tensor>& heads) {
  if (!layers) return soft_cross_entropy(out.logits, target.logits);
  return hidden_error(out, target) + score_error(out, target, heads);
}

}  // namespace detail

/// Ternary and split model are trained in two stages each (TernaryBERT, section 3.2; BinaryBERT,
/// section 3.3): first mean squared errors of hidden states and attention scores, at layer_rate
/// times the learning rate, then soft cross entropy of the logits. A student's head is taught by
/// the teacher's head that it comes from.
///
/// Writes OUT.ternary-layers, OUT.ternary, OUT.split-layers and OUT.
/// Errors: those of load_model and narrow_shape; unsupported for a teacher that is not full
/// precision
inline status binarybert(const binarybert_options& options) {
  const unsigned weight_bits = options.ternarybert ? 2 : options.weight_bits;
  const auto stages = detail::binarybert_stages(weight_bits);
  std::vector<std::string> suffixes;
  for (const auto& s : stages) suffixes.push_back(s.suffix);
  LOWBIT_TRY(check_outputs(options, suffixes));
  const torch::Device device = default_device();
  auto teacher = load_model(options.teacher, device);
  if (!teacher) return teacher.status();
  if (teacher->model.how().name() != "fp32") {
    return status::error(errc::unsupported, options.teacher.native(), ": a ",
                         teacher->model.how().name(), " model, expected a full precision one");
  }
  model_description description = teacher->description;
  const auto narrow = narrow_shape(description.shape, options.width);
  if (!narrow) return narrow.status();
  description.shape = *narrow;
  description.shape.relu_before_classifier = false;
  if (!options.ternarybert) description.shape.layer_norm_eps = 1e-12F;  // fixed in BinaryBERT
  const auto examples = data_for(options, description, teacher->tokenizer, options.teacher);
  if (!examples) return examples.status();
  const std::vector<kept_units> kept = choose_units(teacher->model, description.shape);
  std::vector<Tensor> heads;  // the teacher's, of each layer's heads
  for (const kept_units& k : kept) heads.push_back(at::tensor(k.heads).to(device));

  const staged_run run{options, description, *examples, teacher->tokenizer.unk_id(),
                       options.clip_rate};
  std::optional<bert> previous;
  for (std::size_t s = 0; s < stages.size(); ++s) {
    recipe_options stage = stage_options(options, stages[s].suffix);
    if (stages[s].layers) stage.fit.optimizer.learning_rate *= options.layer_rate;
    torch::manual_seed(options.fit.seed);
    const scheme_ptr how = detail::binarybert_stage_scheme(options, stages[s].split);
    bert student(description.shape, how);
    if (!previous) {
      LOWBIT_TRY(copy_narrowed(teacher->model, kept, student));
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
                                  {"taught", stages[s].layers ? "layers" : "logits"}};
    const auto go_on =
        train_stage(run, stage, student, teacher->model, facts,
                    [&, layers = stages[s].layers](const batch&, const step_info&, const trace& out,
                                                   const trace& target) {
                      return detail::binarybert_loss(out, target, layers, heads);
                    });
    if (!go_on || !*go_on) return go_on.status();
    previous.emplace(std::move(student));
  }
  return {};
}

}  // namespace lowbit::train
