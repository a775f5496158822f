// SPDX-License-Identifier: Apache-2.0
// What a model that already knows its task learns from while it is compressed: labels, and the
// logits of a teacher where there is one.
#pragma once

#include <optional>
#include <utility>

#include "lowbit/train/loss/distillation.hpp"
#include "lowbit/train/recipe/recipe.hpp"

namespace lowbit::train {

struct supervision_options {
  double hard_weight = 1.0;  ///< of the cross entropy with the labels
  double soft_weight = 1.0;  ///< of the cross entropy with the teacher
  double temperature = 1.0;
};

/// The first model of a recipe that compresses: full precision.
/// Errors: those of load_model; unsupported for another scheme
inline result<loaded_model> load_float_model(const std::filesystem::path& folder,
                                             const torch::Device& device) {
  auto loaded = load_model(folder, device);
  if (loaded && loaded->model.how().name() != "fp32") {
    return status::error(errc::unsupported, folder.native(), ": a ", loaded->model.how().name(),
                         " model, expected a full precision one");
  }
  return loaded;
}

class supervision {
 public:
  /// Errors: those of load_model; shape_mismatch for a teacher whose labels or tokens are others
  static result<supervision> load(const std::filesystem::path& teacher,
                                  const model_description& student,
                                  const supervision_options& options, const torch::Device& device) {
    supervision out(options);
    if (teacher.empty()) return out;
    auto loaded = load_model(teacher, device);
    if (!loaded) return loaded.status();
    const model_description& d = loaded->description;
    if (d.labels != student.labels || d.vocabulary != student.vocabulary ||
        d.shape.head != student.shape.head) {
      return status::error(errc::shape_mismatch, teacher.native(),
                           ": its head, labels or tokens are not those of the student");
    }
    out.teacher_.emplace(std::move(loaded->model));
    return out;
  }

  /// hard * CE(z, label) + soft * mean over rows of sum_c -softmax(z_T / T)_c log softmax(z / T)_c.
  /// The sum over classes, not their mean: both terms have the unit of a cross entropy.
  [[nodiscard]] Tensor loss(const batch& in, const trace& student, precision type) {
    Tensor sum = options_.hard_weight * at::cross_entropy_loss(student.logits, student.targets);
    if (!teacher_ || options_.soft_weight <= 0) return sum;
    const trace target = teach(*teacher_, in, {.type = type, .logits_only = true});
    const auto classes = static_cast<double>(student.logits.size(1));
    return sum + options_.soft_weight * classes *
                     soft_cross_entropy(student.logits, target.logits, options_.temperature);
  }

  [[nodiscard]] nlohmann::json facts() const {
    nlohmann::json out = {{"teacher", teacher_.has_value()}, {"hard_weight", options_.hard_weight}};
    if (!teacher_) return out;
    out["soft_weight"] = options_.soft_weight;
    out["temperature"] = options_.temperature;
    return out;
  }

 private:
  explicit supervision(const supervision_options& options) : options_(options) {}

  supervision_options options_;
  std::optional<bert> teacher_;
};

}  // namespace lowbit::train
