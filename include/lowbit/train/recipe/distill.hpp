// SPDX-License-Identifier: Apache-2.0
// Distills a trained model into a smaller student: logits only, TinyBERT's general stage, or
// TinyBERT's two stages for a task. The task stages are two training runs with their own optimizer,
// learning rate and checkpoint, because TinyBERT's second stage starts from the last epoch of the
// first: a best epoch would be selected with an untrained classifier.
#pragma once

#include "lowbit/train/data/masking.hpp"
#include "lowbit/train/data/sentences.hpp"
#include "lowbit/train/loss/soft_targets.hpp"
#include "lowbit/train/recipe/layer_matcher.hpp"
#include "lowbit/train/recipe/stages.hpp"
#include "lowbit/train/recipe/student.hpp"

namespace lowbit::train {

enum class distillation_objective { logits, tinybert };
enum class tinybert_stage { general, task };

struct distill_options : recipe_options {
  student_options built;  ///< used unless the student is a folder
  distillation_objective objective = distillation_objective::logits;
  soft_target_options logits{0.5, 0.5, 2.0};
  tinybert_terms terms;
  std::string map = "uniform";  ///< see make_layer_map
  tinybert_stage stage = tinybert_stage::task;
  /// The first task stage, at a constant learning rate; fit.epochs and its schedule apply to the
  /// second.
  std::int64_t layer_epochs = 10;
  double layer_rate = 5e-5;
};

namespace detail {

/// Lines of text, or the sentences of a data set, as examples without labels; a line longer than
/// max_length tokens is split.
/// Errors: those of read_sentences and pieces_of; malformed when there is no text
inline result<tokenized_dataset> unlabelled(const std::filesystem::path& path,
                                            const lowbit::tokenizer& tokenizer,
                                            std::size_t max_length) {
  LOWBIT_TRY_ASSIGN(const auto lines, read_sentences(path));
  tokenized_dataset data;
  for (const std::string& line : lines) {
    auto pieces = pieces_of(line, tokenizer, max_length);
    if (!pieces) return pieces.status().in(path.native());
    for (example& piece : *pieces) {
      piece.labels = {0};
      data.train.push_back(std::move(piece));
    }
  }
  if (data.train.empty()) return status::error(errc::malformed, path.native(), ": no text");
  return data;
}

/// Rejects contradictory options before any file is read.
inline status check_distillation(const distill_options& o) {
  if (o.objective == distillation_objective::logits) {
    if (o.stage == tinybert_stage::task) return {};
    return status::error(errc::invalid_argument,
                         "the general stage belongs to the objective tinybert");
  }
  const bool layers = o.stage == tinybert_stage::general || o.layer_epochs > 0;
  if (!layers || o.terms.intermediate()) return {};
  return status::error(errc::invalid_argument,
                       "attention, hidden and embedding terms are all switched off, expected at "
                       "least one of them");
}

/// Checks that student and teacher can be compared.
inline status check_pair(const distill_options& o, const model_shape& student,
                         const model_shape& teacher) {
  const bool general = o.stage == tinybert_stage::general;
  if (!general && teacher.head != head_kind::sequence && teacher.head != head_kind::token) {
    return status::error(errc::unsupported, o.teacher.native(), ": a model for ",
                         name_of(teacher.head), ", expected a classifier of sentences or words");
  }
  if (o.objective == distillation_objective::tinybert && o.terms.attention &&
      (general || o.layer_epochs > 0) && student.heads != teacher.heads) {
    return status::error(errc::shape_mismatch, "a student with ", student.heads,
                         " heads, expected the ", teacher.heads,
                         " of the teacher for the attention term");
  }
  return {};
}

inline std::filesystem::path stage_1_checkpoint(const recipe_options& o) {
  return beside(o.out, ".stage1.checkpoint");
}

/// The first task stage. Leaves its result in the model and keeps its checkpoint until the whole
/// run is finished, so that a resumed run skips through it.
inline result<run_state> match_layers(const layer_matcher& match, const tokenized_dataset& data,
                                      std::int64_t unknown_token, const distill_options& o,
                                      const nlohmann::json& facts,
                                      const std::filesystem::path& checkpoint) {
  fit_options fitting = o.fit;
  fitting.epochs = o.layer_epochs;
  fitting.optimizer.learning_rate = o.layer_rate;
  fitting.constant_rate = true, fitting.warmup = 0.0;
  fitting.checkpoint = checkpoint;
  fit_job job = match.job(training_forward(fitting));
  job.buffers = match.student.buffers();
  follow_ranges(match.student, job);
  job.corrupt = token_dropout(fitting.token_dropout, unknown_token);
  LOWBIT_TRY_ASSIGN(const auto identity, run_identity(data, o.teacher, o.student));
  const std::string settings = settings_text(fitting, "stage 1 " + facts.dump()) + identity;
  return fit(job, data.train, fitting, settings, default_device(), *o.group);
}

/// Both task stages; `predict` is the loss of the second.
inline status two_stages(const layer_matcher& match, const model_description& description,
                         const tokenized_dataset& data, std::int64_t unknown_token,
                         const distill_options& o, const nlohmann::json& facts, fit_job predict) {
  std::error_code ignored;
  recipe_options second = o;
  folder_extras extras;
  const auto last = checkpoint_of(o.out);
  const auto first = stage_1_checkpoint(o);
  if (o.layer_epochs > 0) {
    if (o.fit.resume && !std::filesystem::exists(first, ignored)) {
      const auto done = finished_before(o, match.student.how().name(), data, facts);
      if (!done || *done) return done.status();
    }
    announce(o, "stage 1, layers");
    // A fresh run must not resume from an older run's second-stage checkpoint.
    if (!o.fit.resume && o.group->leads()) std::filesystem::remove(last, ignored);
    LOWBIT_TRY_ASSIGN(const auto run, match_layers(match, data, unknown_token, o, facts, first));
    if (run.step == o.fit.stop_after) return {};
    if (o.fit.stop_after != 0) second.fit.stop_after -= run.step;
    second.replace = o.replace || o.fit.resume;
    second.fit.resume = o.fit.resume && std::filesystem::exists(last, ignored);
    extras.results["stage_1"] = to_json(run);
    extras.files["curves.stage1.svg"] = curves_svg(run, "distill, stage 1: layers", "");
  }
  announce(o, "stage 2, predictions");
  LOWBIT_TRY(train_and_write(match.student, description, data, unknown_token, second, facts,
                             std::move(predict), extras));
  const bool finished = !std::filesystem::exists(last, ignored);
  if (finished && o.group->leads()) std::filesystem::remove(first, ignored);
  return {};
}

inline nlohmann::json distillation_facts(const distill_options& o, const layer_map& map,
                                         const model_description& student) {
  nlohmann::json facts = {{"recipe", "distill"}, {"student", to_json(student.shape)}};
  if (!o.student.empty()) {
    facts["start"] = "folder";
  } else {
    const char* starts[] = {"random", "first layers of the teacher",
                            "mapped layers of the teacher"};
    facts["start"] = starts[static_cast<std::size_t>(o.built.start)];
  }
  if (o.objective == distillation_objective::logits) {
    facts["objective"] = "logits";
    facts["soft_weight"] = o.logits.soft_weight;
    facts["hard_weight"] = o.logits.hard_weight;
    facts["temperature"] = o.logits.temperature;
    return facts;
  }
  facts["objective"] = "tinybert";
  facts["stage"] = o.stage == tinybert_stage::general ? "general" : "task";
  facts["layer_map"] = map;
  facts["terms"] = {{"attention", o.terms.attention},
                    {"hidden", o.terms.hidden},
                    {"embedding", o.terms.embedding},
                    {"prediction", o.terms.prediction}};
  if (o.stage == tinybert_stage::task) {
    facts["layer_epochs"] = o.layer_epochs;
    facts["layer_rate"] = o.layer_rate;
  }
  return facts;
}

}  // namespace detail

/// Errors: those of load_model, plan_student, make_layer_map and the data; shape_mismatch when
///         attention is matched between different numbers of heads
inline status distill(const distill_options& o) {
  LOWBIT_TRY(check_output(o));
  LOWBIT_TRY(check_free(o, detail::stage_1_checkpoint(o)));
  LOWBIT_TRY(detail::check_distillation(o));
  const torch::Device device = default_device();
  const bool general = o.stage == tinybert_stage::general;
  const bool tinybert = o.objective == distillation_objective::tinybert;
  LOWBIT_TRY_ASSIGN(auto teacher, load_model(o.teacher, device, general));
  const model_shape& taught = teacher.description.shape;
  LOWBIT_TRY_ASSIGN(const auto plan,
                    plan_student(o.built, o.student, teacher.description, teacher.model.how()));
  const model_description& description = plan.description;
  LOWBIT_TRY(detail::check_pair(o, description.shape, taught));
  result<layer_map> map = layer_map{};
  if (tinybert || o.built.start == student_start::mapped_layers) {
    map = make_layer_map(o.map, description.shape.layers, taught.layers);
    if (!map) return map.status();
  }

  model_description both = description;  // sentences must fit both teacher and student
  both.shape.positions = std::min(taught.positions, description.shape.positions);
  LOWBIT_TRY_ASSIGN(const auto length, sentence_limit(o, both.shape));
  LOWBIT_TRY_ASSIGN(const auto data, general ? detail::unlabelled(o.data, teacher.tokenizer, length)
                                             : data_for(o, both, teacher.tokenizer, o.teacher));

  torch::manual_seed(o.fit.seed);
  LOWBIT_TRY_ASSIGN(auto student,
                    make_student(o.built, o.student, plan, *map, teacher.model, device));
  const nlohmann::json facts = detail::distillation_facts(o, *map, description);
  const std::int64_t unknown = teacher.tokenizer.unk_id();

  const forward_options predicting = training_forward(o.fit, true);
  fit_job predict;
  predict.loss = [&](const batch& in, const step_info&) {
    const trace found = student.forward(in, predicting);
    if (tinybert && !o.terms.prediction) {
      return at::cross_entropy_loss(found.logits, found.targets);
    }
    const trace target = teach(teacher.model, in, {.type = predicting.type, .logits_only = true});
    return tinybert ? soft_cross_entropy(found.logits, target.logits)
                    : soft_target_loss(found.logits, target.logits, found.targets, o.logits);
  };
  if (!tinybert) {
    return train_and_write(student, description, data, unknown, o, facts, std::move(predict));
  }
  const width_map fit(static_cast<std::int64_t>(taught.hidden),
                      static_cast<std::int64_t>(description.shape.hidden), device);
  LOWBIT_TRY(detail::load_width_map(o.student, fit));
  const detail::layer_matcher match{teacher.model, student, *map, fit, o.terms};
  if (!general) {
    return detail::two_stages(match, description, data, unknown, o, facts, std::move(predict));
  }
  folder_extras extras;
  extras.tensors = fit.parameters();
  return train_and_write(student, description, data, unknown, o, facts,
                         match.job(training_forward(o.fit)), extras);
}

}  // namespace lowbit::train
