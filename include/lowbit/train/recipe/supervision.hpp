// SPDX-License-Identifier: Apache-2.0
// The training signal while a fine-tuned model is compressed: labels, and the logits of a teacher
// if there is one.
#pragma once

#include <optional>
#include <utility>

#include "lowbit/train/loss/soft_targets.hpp"
#include "lowbit/train/recipe/recipe.hpp"

namespace lowbit::train {

class supervision {
 public:
  /// Errors: those of load_model; shape_mismatch for a teacher with other labels or tokens
  static result<supervision> load(const std::filesystem::path& teacher,
                                  const model_description& student,
                                  const soft_target_options& options, const torch::Device& device) {
    supervision out(options);
    if (teacher.empty()) return out;
    LOWBIT_TRY_ASSIGN(auto loaded, load_model(teacher, device));
    const model_description& d = loaded.description;
    if (d.labels != student.labels || d.vocabulary != student.vocabulary ||
        d.shape.head != student.shape.head) {
      return status::error(errc::shape_mismatch, teacher.native(),
                           ": its head, labels or tokens are not those of the student");
    }
    out.teacher_.emplace(std::move(loaded.model));
    return out;
  }

  /// The student's description with the positions that student and teacher share.
  [[nodiscard]] model_description readable(model_description student) const {
    if (teacher_) {
      student.shape.positions = std::min(student.shape.positions, teacher_->shape().positions);
    }
    return student;
  }

  /// soft_target_loss with a teacher, otherwise only its label term.
  [[nodiscard]] Tensor loss(const batch& in, const trace& student, precision type) {
    if (!teacher_ || options_.soft_weight <= 0) {
      return options_.hard_weight * at::cross_entropy_loss(student.logits, student.targets);
    }
    const trace target = teach(*teacher_, in, {.type = type, .logits_only = true});
    return soft_target_loss(student.logits, target.logits, student.targets, options_);
  }

  [[nodiscard]] nlohmann::json facts() const {
    nlohmann::json out = {{"teacher", teacher_.has_value()}, {"hard_weight", options_.hard_weight}};
    if (!teacher_) return out;
    out["soft_weight"] = options_.soft_weight;
    out["temperature"] = options_.temperature;
    return out;
  }

 private:
  explicit supervision(const soft_target_options& options) : options_(options) {}

  soft_target_options options_;
  std::optional<bert> teacher_;
};

}  // namespace lowbit::train
