// SPDX-License-Identifier: Apache-2.0
// BiT (Liu et al., NeurIPS 2022): one-bit weights and elastic activations by multi-distillation. A
// schedule lists the activation bits: each stage starts from the previous model and is distilled
// from it.
#pragma once

#include <algorithm>
#include <charconv>
#include <optional>

#include "lowbit/train/loss/layer_errors.hpp"
#include "lowbit/train/loss/soft_targets.hpp"
#include "lowbit/train/model/derive.hpp"
#include "lowbit/train/recipe/attention_entropy.hpp"
#include "lowbit/train/recipe/stages.hpp"
#include "lowbit/train/recipe/student.hpp"

namespace lowbit::train {

struct bit_options : recipe_options {
  /// Activation bits of the teacher (32: full precision), then of each stage.
  std::vector<unsigned> schedule{32, 2, 1};
  double clip_rate = 1e-4;  ///< learning rate of the steps
  double soft_weight = 1.0;
  double hidden_weight = 1.0;
};

/// Parses "32,2,1": decreasing values of 32, 4, 2 and 1, two or more.
/// Errors: invalid_argument naming the entry
inline result<std::vector<unsigned>> parse_schedule(std::string_view text) {
  std::vector<unsigned> schedule;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view entry = text.substr(begin, end - begin);
    unsigned bits = 0;
    const char* stop = entry.data() + entry.size();
    const auto [read, error] = std::from_chars(entry.data(), stop, bits);
    const bool known = bits == 32 || bits == 4 || bits == 2 || bits == 1;
    if (error != std::errc() || read != stop || !known) {
      return status::error(errc::invalid_argument, "schedule \"", text, "\": found \"", entry,
                           "\", expected 32, 4, 2 or 1");
    }
    if (!schedule.empty() && bits >= schedule.back()) {
      return status::error(errc::invalid_argument, "schedule \"", text, "\": ", bits, " after ",
                           schedule.back(), ", expected falling numbers");
    }
    schedule.push_back(bits);
    begin = end + 1;
  }
  if (schedule.size() < 2) {
    return status::error(errc::invalid_argument, "schedule \"", text,
                         "\": one entry, expected the teacher's bits and those of a student");
  }
  return schedule;
}

namespace detail {

/// The activation bits of a valid BiT teacher.
inline result<unsigned> teacher_bits(const training_scheme& how, const std::string& place) {
  if (how.name() == "fp32") return 32U;
  if (const auto* bit = dynamic_cast<const bit_scheme*>(&how)) return bit->input_bits();
  return status::error(errc::unsupported, place, ": a ", how.name(),
                       " model, expected a full precision or BiT one");
}

inline std::string bit_suffix(const std::vector<unsigned>& schedule, std::size_t stage) {
  return stage + 1 == schedule.size() ? "" : ".w1a" + std::to_string(schedule[stage]);
}

}  // namespace detail

/// Every stage minimizes soft cross entropy of the logits (mean over B*C) + the mean squared errors
/// of the L + 1 hidden states, summed (BiT, section 3.3). A stage takes weights, biases and shifts
/// from the previous stage; steps, whose meaning depends on the bits, are set by the first batch.
///
/// Writes OUT.w1aB for every stage but the last, and OUT.
/// Errors: those of load_model; unsupported for a teacher of another scheme; invalid_argument for a
///         schedule that does not start with the teacher's bits
inline status bit(const bit_options& options) {
  const auto& schedule = options.schedule;
  std::vector<std::string> suffixes;
  for (std::size_t s = 1; s < schedule.size(); ++s) {
    suffixes.push_back(detail::bit_suffix(schedule, s));
  }
  LOWBIT_TRY(check_outputs(options, suffixes));
  const torch::Device device = default_device();
  LOWBIT_TRY_ASSIGN(auto loaded, load_model(options.teacher, device));
  LOWBIT_TRY_ASSIGN(const auto bits,
                    detail::teacher_bits(loaded.model.how(), options.teacher.native()));
  if (schedule.size() < 2 || schedule.front() != bits) {
    return status::error(errc::invalid_argument, options.teacher.native(), ": has activations of ",
                         bits, " bits, expected those that the schedule starts with");
  }
  model_description description = loaded.description;
  description.shape.layer_norm_eps = 1e-12F;  // fixed in BiT
  description.shape.pooler_act = pooler_activation::tanh;
  LOWBIT_TRY_ASSIGN(const auto examples,
                    data_for(options, description, loaded.tokenizer, options.teacher));
  std::optional<loaded_model> first;
  if (!options.student.empty()) {
    LOWBIT_TRY_ASSIGN(auto student, load_model(options.student, device));
    LOWBIT_TRY(check_same_model(options.student, student.description, loaded.description));
    first.emplace(std::move(student));
  }

  const staged_run run{options, description, examples, loaded.tokenizer.unk_id(),
                       options.clip_rate};
  std::optional<bert> previous;
  for (std::size_t s = 1; s < schedule.size(); ++s) {
    const recipe_options stage = stage_options(options, suffixes[s - 1]);
    bert& teacher = previous ? *previous : loaded.model;
    bert& start = s == 1 && first ? first->model : teacher;
    torch::manual_seed(options.fit.seed);
    const auto how = std::make_shared<bit_scheme>(schedule[s]);
    bert student(description.shape, how);
    const bool same = start.how().name() == how->name();
    LOWBIT_TRY(copy_shared(start, student,
                           [same](const std::string& name) { return !same && is_clip(name); }));
    student.to(device);
    const nlohmann::json facts = {{"recipe", "bit"},
                                  {"schedule", schedule},
                                  {"stage", s},
                                  {"clip_rate", options.clip_rate},
                                  {"soft_weight", options.soft_weight},
                                  {"hidden_weight", options.hidden_weight},
                                  {"start", s == 1 && first ? "student" : "teacher"}};
    const auto go_on = train_stage(
        run, stage, student, teacher, facts,
        [&](const batch& in, const step_info& info, const trace& out, const trace& target) {
          if (schedule[s] == 1) measure_attention(out, in, info);
          return options.soft_weight * soft_cross_entropy(out.logits, target.logits) +
                 options.hidden_weight * hidden_error(out, target);
        });
    if (!go_on || !*go_on) return go_on.status();
    previous.emplace(std::move(student));
  }
  return {};
}

}  // namespace lowbit::train
