// SPDX-License-Identifier: Apache-2.0
// The recipes as functions: fine-tune a full precision encoder; distill it into a binary one. Each
// goes from a data set to a finished model folder. They print progress and nothing else.
#pragma once

#include <torch/torch.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/text/wordpiece_tokenizer.hpp"
#include "lowbit/train/dataset.hpp"
#include "lowbit/train/fit.hpp"
#include "lowbit/train/losses.hpp"
#include "lowbit/train/model_folder.hpp"

namespace lowbit::train {

/// What all recipes are told.
struct recipe_options {
  std::filesystem::path data, out;
  std::size_t max_length = 0;  ///< tokens of a sentence; 0: the number of positions
  bool test = false;           ///< read the test split, once, with the final parameters
  bool replace = false;        ///< replace an existing output folder
  fit_options fit;
};

/// A data set as token ids.
struct tokenized_dataset {
  std::vector<example> train, validation, test;
};

/// Errors: malformed with the sentence's text for invalid UTF-8; check_dataset's.
inline result<tokenized_dataset> tokenize(const dataset& data,
                                          const std::vector<std::string>& labels,
                                          const wordpiece_tokenizer& tokenizer,
                                          std::size_t max_length,
                                          const std::filesystem::path& path) {
  LOWBIT_TRY(check_dataset(data, labels, path));
  tokenized_dataset out;
  for (auto [from, to] :
       {std::pair{&data.train, &out.train}, std::pair{&data.validation, &out.validation},
        std::pair{&data.test, &out.test}}) {
    for (const labelled_text& e : *from) {
      const auto encoded = tokenizer.encode(e.text, max_length);
      if (!encoded) return encoded.status().in(path.native());
      example one;
      one.ids.assign(encoded->ids.begin(), encoded->ids.end());
      const auto label = std::find(labels.begin(), labels.end(), e.label);
      one.label = label - labels.begin();
      to->push_back(std::move(one));
    }
  }
  return out;
}

/// The longest sentence in tokens: the option, or all positions.
inline result<std::size_t> sentence_limit(const recipe_options& options, const model_shape& shape) {
  if (options.max_length > shape.positions) {
    return status::error(errc::invalid_argument, "max length ", options.max_length,
                         " is more than the ", shape.positions, " positions");
  }
  return options.max_length == 0 ? shape.positions : options.max_length;
}

inline nlohmann::json to_json(const model_shape& s) {
  return {{"layers", s.layers},         {"hidden", s.hidden},
          {"heads", s.heads},           {"intermediate", s.intermediate},
          {"vocabulary", s.vocabulary}, {"positions", s.positions},
          {"labels", s.labels}};
}

/// Trains, keeps the folder up to date with the best epoch, and writes the final results. `loss` as
/// in fit(); `facts` is added to results.json.
/// The seam for packing: a recipe that also writes the runtime's packed folder does so here, after
/// the final write, from the folder that then exists.
template <class Policy, class Loss>
status train_and_write(bert<Policy>& model, const model_description& description,
                       const tokenized_dataset& data, const recipe_options& options,
                       nlohmann::json facts, const Loss& loss) {
  const torch::Device device = default_device();
  model.to(device);
  fit_options fitting = options.fit;
  std::filesystem::path checkpoint = options.out.lexically_normal();
  if (!checkpoint.has_filename()) checkpoint = checkpoint.parent_path();
  fitting.checkpoint = checkpoint.native() + ".checkpoint";
  const std::string settings =
      settings_text(fitting, facts.dump()) + " train=" + std::to_string(data.train.size());
  std::error_code ignored;
  if (!options.replace && !fitting.resume && std::filesystem::exists(options.out, ignored)) {
    return status::error(errc::invalid_argument, options.out.native(),
                         ": exists; choose another folder, --replace or --resume");
  }
  facts["settings"] = settings_text(fitting, Policy::name);
  facts["shape"] = to_json(description.shape);
  facts["examples"] = {{"train", data.train.size()},
                       {"validation", data.validation.size()},
                       {"test", data.test.size()}};
  const auto write = [&](const run_state& run, bool finished, double test) {
    nlohmann::json results = facts;
    results["run"] = to_json(run);
    results["finished"] = finished;
    if (run.best >= 0) results["validation_accuracy"] = run.best;
    if (test >= 0) results["test_accuracy"] = test;
    return write_model_folder<Policy>(options.out, description, model.parameters(), results,
                                      existing::replace);
  };
  const auto run = fit(model, data.train, data.validation, fitting, settings, device, loss,
                       [&write](const run_state& best) { return write(best, false, -1.0); });
  if (!run) return run.status();
  if (run->epoch < fitting.epochs) return {};  // stopped on purpose; the checkpoint goes on
  LOWBIT_TRY(write(*run, true, options.test ? accuracy(model, data.test, device) : -1.0));
  std::filesystem::remove(fitting.checkpoint, ignored);
  return {};
}

struct finetune_options : recipe_options {
  model_shape shape;            ///< vocabulary and labels are filled in from the data
  std::filesystem::path vocab;  ///< vocab.txt, tokenizer.json or a folder with one of them
  double label_smoothing = 0.0;
};

/// A full precision BERT from random weights.
inline status finetune(const finetune_options& options) {
  const auto data = read_dataset(options.data);
  if (!data) return data.status();
  const auto tokenizer = wordpiece_tokenizer::load(options.vocab);
  if (!tokenizer) return tokenizer.status();
  model_description description{options.shape, label_names(data->train), tokens_of(*tokenizer)};
  description.shape.labels = description.labels.size();
  description.shape.vocabulary = description.vocabulary.size();
  const auto length = sentence_limit(options, description.shape);
  if (!length) return length.status();
  const auto examples = tokenize(*data, description.labels, *tokenizer, *length, options.data);
  if (!examples) return examples.status();
  LOWBIT_TRY(description.shape.check());

  torch::manual_seed(options.fit.seed);
  bert<fp32_policy> model(description.shape);
  recipe_options run = options;
  run.fit.words.unknown = tokenizer->unk_id();
  run.fit.logits_only = true;
  return train_and_write(model, description, *examples, run,
                         {{"recipe", "finetune"}, {"label_smoothing", options.label_smoothing}},
                         [&options](const trace& out, const batch& in) {
                           return at::cross_entropy_loss(out.logits, in.labels, {}, 1, -100,
                                                         options.label_smoothing);
                         });
}

struct distill_options : recipe_options {
  std::filesystem::path teacher;
  std::filesystem::path start;  ///< the student's first weights; empty: the teacher's
  distillation_options objective;
};

/// A binary student of the teacher's shape, initialised from it. Policy: bibert_policy or
/// softmax_binarized_policy.
template <class Policy>
status distill_binary(const distill_options& options) {
  const auto folder = open_model_folder(options.teacher);
  if (!folder) return folder.status();
  if (folder->recognised != scheme::fp32) {
    return status::error(errc::unsupported, options.teacher.native(), ": a ",
                         scheme_name(folder->recognised), " model, expected a full precision one");
  }
  const model_description& description = folder->model;
  const auto data = read_dataset(options.data);
  if (!data) return data.status();
  std::vector<std::string> known = description.labels, used = label_names(data->train);
  std::sort(known.begin(), known.end());
  std::sort(used.begin(), used.end());
  if (known != used) {
    return status::error(errc::shape_mismatch, options.teacher.native(), ": its ", known.size(),
                         " labels are not the ", used.size(), " of ", options.data.native());
  }
  const auto length = sentence_limit(options, description.shape);
  if (!length) return length.status();
  const auto examples =
      tokenize(*data, description.labels, folder->tokenizer, *length, options.data);
  if (!examples) return examples.status();

  torch::manual_seed(options.fit.seed);
  bert<fp32_policy> teacher(description.shape);
  LOWBIT_TRY(load_parameters(options.teacher, teacher.parameters()));
  teacher.to(default_device());
  bert<Policy> student(description.shape);
  const auto& start = options.start.empty() ? options.teacher : options.start;
  LOWBIT_TRY(load_parameters(start, student.parameters()));

  recipe_options run = options;
  run.fit.words.unknown = folder->tokenizer.unk_id();
  const distillation_options& o = options.objective;
  run.fit.logits_only = !o.direction_matching && o.hidden_weight <= 0;
  const nlohmann::json facts = {{"recipe", "bibert"},
                                {"attention", Policy::name},
                                {"dmd", o.direction_matching},
                                {"dmd_weight", o.dmd_weight},
                                {"hidden_weight", o.hidden_weight},
                                {"soft_weight", o.soft_weight},
                                {"hard_weight", o.hard_weight},
                                {"temperature", o.temperature},
                                {"start", options.start.empty() ? "teacher" : "student"}};
  return train_and_write(
      student, description, *examples, run, facts, [&](const trace& out, const batch& in) {
        trace target;
        {
          torch::NoGradGuard no_gradients;
          target = teacher.forward(in, {.type = run.fit.type, .logits_only = run.fit.logits_only});
        }
        return distillation_loss(out, target, in.labels, o);
      });
}

}  // namespace lowbit::train
