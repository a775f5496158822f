// SPDX-License-Identifier: Apache-2.0
// Masked language modelling on unlabelled text (Devlin et al. 2019, section 3.1; without
// next-sentence prediction, which Liu et al. 2019 found useless), from random weights or from the
// encoder of a model folder. The result is a BertForMaskedLM folder, which other recipes take as
// their student.
#pragma once

#include <cmath>

#include "lowbit/train/data/masking.hpp"
#include "lowbit/train/data/sentences.hpp"
#include "lowbit/train/recipe/recipe.hpp"

namespace lowbit::train {

struct pretrain_options : recipe_options {
  std::vector<std::filesystem::path> more_data;  ///< read after `data`
  model_shape shape;            ///< vocabulary set later; with `student` the student's shape
  std::filesystem::path vocab;  ///< vocab.txt, tokenizer.json or a folder; with `student` its own
  double held_out = 0.02;       ///< fraction of the lines used for validation
  masking_options masking;
};

/// The mean loss over all masked tokens of `data`, without dropout; its exponential is the
/// perplexity.
inline double masked_loss(bert& model, const std::vector<example>& data,
                          const torch::Device& device) {
  torch::NoGradGuard no_gradients;
  double sum = 0.0, asked = 0.0;
  for (const auto& members : plan_batches(data, 128, nullptr)) {
    const trace out = model.forward(make_batch(data, members, device), {});
    const auto n = static_cast<double>(out.targets.size(0));
    if (n == 0) continue;
    sum += n * at::cross_entropy_loss(out.logits, out.targets).item<double>();
    asked += n;
  }
  return sum / std::max(asked, 1.0);
}

/// Errors: those of the readers, of the vocabulary and of the initial model folder; malformed for
///         data without text
inline status pretrain(const pretrain_options& options) {
  LOWBIT_TRY(check_output(options));
  std::vector<std::string> lines;
  std::vector<std::filesystem::path> sources{options.data};
  sources.insert(sources.end(), options.more_data.begin(), options.more_data.end());
  for (const std::filesystem::path& source : sources) {
    LOWBIT_TRY_ASSIGN(auto read, read_sentences(source));
    std::move(read.begin(), read.end(), std::back_inserter(lines));
  }
  const bool warm = !options.student.empty();
  const std::filesystem::path& words = warm ? options.student : options.vocab;
  LOWBIT_TRY_ASSIGN(const auto tokenizer, lowbit::tokenizer::load(words));
  LOWBIT_TRY_ASSIGN(auto vocabulary, masking_vocabulary_of(tokenizer, words));
  model_description description{options.shape, {}, {}};
  LOWBIT_TRY(describe_tokenizer(tokenizer, words, description));
  scheme_ptr how = std::make_shared<float_scheme>();
  if (warm) {
    LOWBIT_TRY_ASSIGN(const auto config, load_training_config(options.student));
    LOWBIT_TRY_ASSIGN(how, scheme_of(config, options.student));
    description.shape = config.shape;
    description.shape.relu_before_classifier = false;
  }
  description.shape.head = head_kind::masked_lm;
  description.shape.labels = 0;
  description.shape.vocabulary = description.vocabulary.size();
  LOWBIT_TRY(description.shape.check());
  LOWBIT_TRY_ASSIGN(const auto length, sentence_limit(options, description.shape));
  const corruption mask = mask_tokens(std::move(vocabulary), options.masking);
  const auto examples = masked_dataset(lines, options.held_out, tokenizer, length, mask,
                                       options.fit.seed, options.data);
  if (!examples) return examples.status();

  torch::manual_seed(options.fit.seed);
  bert model(description.shape, how);
  if (warm) LOWBIT_TRY(load_encoder(options.student, model));
  const torch::Device device = default_device();
  model.to(device);
  const forward_options forward = training_forward(options.fit);
  fit_job job;
  job.corrupt = mask;
  job.loss = [&](const batch& in, const step_info& info) {
    const trace out = model.forward(in, forward);
    info.measure(
        "masked accuracy",
        out.logits.detach().argmax(1).eq(out.targets).to(at::kFloat).mean().item<double>());
    return at::cross_entropy_loss(out.logits, out.targets);
  };
  if (!examples->validation.empty()) {
    job.report = [&] {
      const double loss = masked_loss(model, examples->validation, device);
      return nlohmann::json{{"validation_loss", loss}, {"validation_perplexity", std::exp(loss)}};
    };
  }
  return train_and_write(model, description, *examples, tokenizer.unk_id(), options,
                         {{"recipe", "pretrain"},
                          {"lines", lines.size()},
                          {"held_out", options.held_out},
                          {"asked_share", options.masking.share},
                          {"whole_words", options.masking.whole_words},
                          {"start", warm ? "folder" : "random"}},
                         std::move(job));
}

}  // namespace lowbit::train
