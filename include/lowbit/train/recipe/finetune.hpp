// SPDX-License-Identifier: Apache-2.0
// Fine-tunes a full precision BERT on labelled sentences, pairs or words, from random weights or
// from a model folder, whose encoder gets a new head.
#pragma once

#include "lowbit/train/recipe/recipe.hpp"

namespace lowbit::train {

struct finetune_options : recipe_options {
  model_shape shape;            ///< vocabulary and labels are set from the data
  std::filesystem::path vocab;  ///< vocab.txt, tokenizer.json or a folder with one of them; with
                                ///< `student` its own
  double label_smoothing = 0.0;
};

/// Minimizes the cross entropy with the labels; with label smoothing s: (1 - s) CE(label) + s mean
/// over classes of -log p.
///
/// Errors: those of read_dataset, tokenize and train_and_write; unsupported for a student that is
///         not full precision; malformed or shape_mismatch for inconsistent extents
inline status finetune(const finetune_options& options) {
  LOWBIT_TRY(check_output(options));
  LOWBIT_TRY_ASSIGN(const auto data, read_dataset(options.data, options.asked));
  const bool warm = !options.student.empty();
  const std::filesystem::path& words = warm ? options.student : options.vocab;
  LOWBIT_TRY_ASSIGN(const auto tokenizer, lowbit::tokenizer::load(words));
  model_description description{options.shape, label_names(data.train, data.tagged), {}};
  LOWBIT_TRY(describe_tokenizer(tokenizer, words, description));
  scheme_ptr how = std::make_shared<float_scheme>();
  if (warm) {
    LOWBIT_TRY_ASSIGN(const auto config, load_training_config(options.student));
    description.shape = config.shape;
    if (config.recognised != lowbit::scheme::fp32) {
      return status::error(errc::unsupported, options.student.native(), ": a ",
                           scheme_name(config.recognised), " model, expected a full precision one");
    }
    how = std::make_shared<float_scheme>(config.shape.hidden_act == activation_function::relu);
  }
  description.shape.head = data.head();
  if (data.tagged) description.shape.relu_before_classifier = false;
  description.shape.labels = description.labels.size();
  description.shape.vocabulary = description.vocabulary.size();
  LOWBIT_TRY_ASSIGN(const auto length, sentence_limit(options, description.shape));
  LOWBIT_TRY_ASSIGN(const auto examples,
                    tokenize(data, description.labels, tokenizer, length, options.data));
  LOWBIT_TRY(description.shape.check());
  LOWBIT_TRY(detail::check_pairs(data, description.shape, options.data));

  torch::manual_seed(options.fit.seed);
  bert model(description.shape, how);
  if (warm) LOWBIT_TRY(load_encoder(options.student, model));
  model.to(default_device());
  const forward_options forward = training_forward(options.fit, true);
  fit_job job;
  job.loss = [&](const batch& in, const step_info&) {
    const trace out = model.forward(in, forward);
    return at::cross_entropy_loss(out.logits, out.targets, {}, 1, ignored_label,
                                  options.label_smoothing);
  };
  return train_and_write(model, description, examples, tokenizer.unk_id(), options,
                         {{"recipe", "finetune"},
                          {"label_smoothing", options.label_smoothing},
                          {"start", warm ? "folder" : "random"}},
                         std::move(job));
}

}  // namespace lowbit::train
