// SPDX-License-Identifier: Apache-2.0
// A student whose shape may differ from its teacher's: its plan and its initial weights. It shares
// the teacher's vocabulary and, with a head, its labels.
#pragma once

#include <string>
#include <vector>

#include "lowbit/train/loss/layer_map.hpp"
#include "lowbit/train/model/derive.hpp"
#include "lowbit/train/recipe/recipe.hpp"

namespace lowbit::train {

/// Initial weights of a student without a folder.
enum class student_start {
  random,
  first_layers,  ///< the teacher's layers 1 .. M
  mapped_layers  ///< the teacher's layers g(1) .. g(M)
};

struct student_options {
  /// layers, hidden, heads and intermediate; 0: the teacher's. Unused if the student is a folder.
  model_shape extents;
  student_start start = student_start::random;
  bool relu_before_classifier = false;  ///< TinyBERT's classifier
};

/// A student before it has weights.
struct student_plan {
  model_description description;
  scheme_ptr how;
};

/// Errors: shape_mismatch when the vocabulary of the folder is not the teacher's
inline status check_same_tokens(const std::filesystem::path& folder,
                                const std::vector<std::string>& tokens,
                                const model_description& teacher) {
  if (tokens == teacher.vocabulary) return {};
  return status::error(errc::shape_mismatch, folder.native(), ": its ", tokens.size(),
                       " tokens are not the ", teacher.vocabulary.size(), " of the teacher");
}

/// For recipes whose student, if it is a folder, must have the teacher's shape.
/// Errors: shape_mismatch naming the extent, or the tokens or labels
inline status check_same_model(const std::filesystem::path& folder, const model_description& found,
                               const model_description& teacher) {
  const std::pair<const char*, std::size_t model_shape::*> extents[] = {
      {"num_hidden_layers", &model_shape::layers},
      {"hidden_size", &model_shape::hidden},
      {"num_attention_heads", &model_shape::heads},
      {"intermediate_size", &model_shape::intermediate},
      {"max_position_embeddings", &model_shape::positions}};
  for (const auto& [name, extent] : extents) {
    if (found.shape.*extent == teacher.shape.*extent) continue;
    return status::error(errc::shape_mismatch, folder.native(), ": ", name, " is ",
                         found.shape.*extent, ", expected the ", teacher.shape.*extent,
                         " of the teacher");
  }
  if (found.labels != teacher.labels) {
    return status::error(errc::shape_mismatch, folder.native(), ": its ", found.labels.size(),
                         " labels are not the ", teacher.labels.size(), " of the teacher");
  }
  return check_same_tokens(folder, found.vocabulary, teacher);
}

namespace detail {

/// Takes shape and scheme from the student's folder.
/// Errors: shape_mismatch when its vocabulary is not the teacher's
inline status plan_from_folder(const std::filesystem::path& folder, student_plan& plan) {
  LOWBIT_TRY_ASSIGN(const auto config, load_training_config(folder));
  LOWBIT_TRY_ASSIGN(const auto tokenizer, lowbit::tokenizer::load(folder));
  LOWBIT_TRY(check_same_tokens(folder, tokens_of(tokenizer), plan.description));
  LOWBIT_TRY_ASSIGN(const auto how, scheme_of(config, folder));
  const model_shape& taught = plan.description.shape;
  model_shape shape = config.shape;
  shape.head = taught.head, shape.labels = taught.labels;
  if (shape.head != head_kind::sequence) shape.relu_before_classifier = false;
  plan.description.shape = shape;
  plan.how = how;
  return {};
}

}  // namespace detail

/// Errors: shape_mismatch for another vocabulary; malformed for inconsistent extents; unsupported
///         for a TinyBERT classifier that the runtime does not support
inline result<student_plan> plan_student(const student_options& o,
                                         const std::filesystem::path& folder,
                                         const model_description& teacher,
                                         const training_scheme& taught) {
  student_plan plan{teacher, nullptr};
  model_shape& shape = plan.description.shape;
  if (!folder.empty()) {
    LOWBIT_TRY(detail::plan_from_folder(folder, plan));
  } else {
    for (const auto field : {&model_shape::layers, &model_shape::hidden, &model_shape::heads,
                             &model_shape::intermediate}) {
      if (o.extents.*field != 0) shape.*field = o.extents.*field;
    }
    shape.attention = 0;
    shape.relu_before_classifier = false;
    plan.how = std::make_shared<float_scheme>(std::string_view(taught.hidden_act()) == "relu");
  }
  if (o.relu_before_classifier) {
    if (shape.head != head_kind::sequence || plan.how->name() != "fp32") {
      return status::error(errc::unsupported, "the TinyBERT classifier on a ", plan.how->name(),
                           " model for ", name_of(shape.head),
                           ", expected a full precision one for sequence classification");
    }
    shape.relu_before_classifier = true;
    shape.layer_norm_eps = 1e-12F;  // hard-coded in TinyBERT, whatever its config.json says
  }
  LOWBIT_TRY(shape.check());
  return plan;
}

/// Creates the student on the teacher's device with its initial weights.
/// Errors: shape_mismatch for layers of a teacher of another width; those of load_encoder
inline result<bert> make_student(const student_options& o, const std::filesystem::path& folder,
                                 const student_plan& plan, const layer_map& map, bert& teacher,
                                 const torch::Device& device) {
  const model_shape &shape = plan.description.shape, &taught = teacher.shape();
  bert student(shape, plan.how);
  if (!folder.empty()) {
    if (o.start != student_start::random) {
      return status::error(errc::invalid_argument, folder.native(),
                           ": a student starts from its folder or from its teacher, not from both");
    }
    LOWBIT_TRY(load_encoder(folder, student));
  }
  student.to(device);
  if (o.start == student_start::random) return student;
  if (shape.hidden != taught.hidden) {
    return status::error(errc::shape_mismatch, "a student of width ", shape.hidden,
                         " cannot start from a teacher of width ", taught.hidden);
  }
  LOWBIT_TRY_ASSIGN(const auto first, make_layer_map("first", shape.layers, taught.layers));
  const layer_map& from = o.start == student_start::mapped_layers ? map : first;
  std::vector<std::size_t> sources;  // from 0; a map counts layers from 1
  for (std::size_t m = 1; m < from.size(); ++m) sources.push_back(from[m] - 1);
  copy_layers(teacher, student, sources);
  return student;
}

}  // namespace lowbit::train
