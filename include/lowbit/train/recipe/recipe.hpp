// SPDX-License-Identifier: Apache-2.0
// Shared by recipes: the training data, and the path from a training job to a finished model
// folder. Recipes print only progress.
#pragma once

#include <torch/torch.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/text/tokenizer.hpp"
#include "lowbit/train/data/dataset.hpp"
#include "lowbit/train/data/tokenize.hpp"
#include "lowbit/train/loop/curves.hpp"
#include "lowbit/train/loop/fit.hpp"
#include "lowbit/train/loop/score.hpp"
#include "lowbit/train/recipe/loaded_model.hpp"
#include "lowbit/train/recipe/options.hpp"
#include "lowbit/train/recipe/output.hpp"
#include "lowbit/train/recipe/run_identity.hpp"

namespace lowbit::train {

/// The maximum sentence length in tokens: the option, or all positions.
/// Errors: invalid_argument for more than the positions, or fewer than one real token
inline result<std::size_t> sentence_limit(const recipe_options& options, const model_shape& shape) {
  if (options.max_length > shape.positions) {
    return status::error(errc::invalid_argument, "max length ", options.max_length,
                         " is more than the ", shape.positions, " positions");
  }
  const std::size_t length = options.max_length == 0 ? shape.positions : options.max_length;
  if (length >= 3) return length;
  return status::error(errc::invalid_argument, "sentences of ", length,
                       " tokens, expected at least 3: [CLS], a token, [SEP]");
}

namespace detail {

/// Errors: shape_mismatch naming a label that only one side has
inline status check_labels(const std::vector<std::string>& known,
                           const std::filesystem::path& folder,
                           const std::vector<std::string>& used,
                           const std::filesystem::path& data) {
  const auto lacks = [](const std::vector<std::string>& all, const std::string& label) {
    return std::find(all.begin(), all.end(), label) == all.end();
  };
  for (const std::string& label : used) {
    if (!lacks(known, label)) continue;
    return status::error(errc::shape_mismatch, data.native(), ": label \"", label,
                         "\" is not one of the ", known.size(), " of ", folder.native(), " (\"",
                         known.empty() ? "" : known.front(), "\", ..)");
  }
  for (const std::string& label : known) {
    if (!lacks(used, label)) continue;
    return status::error(errc::shape_mismatch, data.native(),
                         ": no training example has the label \"", label, "\" of ",
                         folder.native());
  }
  return {};
}

/// Errors: shape_mismatch for pairs with a model that cannot distinguish the two texts
inline status check_pairs(const dataset& data, const model_shape& shape,
                          const std::filesystem::path& path) {
  const bool pairs = std::any_of(data.train.begin(), data.train.end(),
                                 [](const labelled_text& e) { return !e.second.empty(); });
  if (!pairs || shape.token_types > 1) return {};
  return status::error(errc::shape_mismatch, path.native(),
                       ": has pairs, but the model's type_vocab_size is ", shape.token_types,
                       ", expected 2");
}

}  // namespace detail

/// The data of a run; its labels must be those of an existing model.
/// Errors: shape_mismatch when they are not
inline result<tokenized_dataset> data_for(const recipe_options& options,
                                          const model_description& model,
                                          const lowbit::tokenizer& tokenizer,
                                          const std::filesystem::path& folder) {
  const auto asked = model.shape.head == head_kind::token ? labelling::words : labelling::sentences;
  LOWBIT_TRY_ASSIGN(const auto data, read_dataset(options.data, asked));
  const auto used = label_names(data.train, data.tagged);
  LOWBIT_TRY(check_dataset(data, used, options.data));
  LOWBIT_TRY(detail::check_labels(model.labels, folder, used, options.data));
  LOWBIT_TRY(detail::check_pairs(data, model.shape, options.data));
  LOWBIT_TRY_ASSIGN(const auto length, sentence_limit(options, model.shape));
  return tokenize(data, model.labels, tokenizer, length, options.data);
}

/// Warns about truncation and missing scores.
inline void tell_of_data(const tokenized_dataset& data, const workers& group) {
  if (!group.leads()) return;
  const std::size_t all = data.train.size() + data.validation.size() + data.test.size();
  if (data.cut > 0) {
    std::fprintf(
        stderr,
        "%zu of %zu examples are longer than the model or --max-length takes and were cut\n",
        data.cut, all);
  }
  if (data.validation.empty()) std::fprintf(stderr, "no validation split: the last epoch counts\n");
}

/// The teacher's forward for a batch: no gradient, no dropout.
inline trace teach(bert& teacher, const batch& in, const forward_options& options = {}) {
  torch::NoGradGuard no_gradients;
  return teacher.forward(in, options);
}

/// Forward options of a training step.
inline forward_options training_forward(const fit_options& o, bool logits_only = false) {
  return {true, o.dropout, o.classifier_dropout, o.type, logits_only};
}

inline nlohmann::json to_json(const model_shape& s) {
  return {{"layers", s.layers},         {"hidden", s.hidden},
          {"heads", s.heads},           {"intermediate", s.intermediate},
          {"vocabulary", s.vocabulary}, {"positions", s.positions},
          {"labels", s.labels},         {"attention", s.inner()}};
}

/// Updates the ranges of a q8bert model after every step, from all pieces of the batch.
inline void follow_ranges(bert& model, fit_job& job) {
  const auto* how = dynamic_cast<const q8bert_scheme*>(&model.how());
  if (how == nullptr) return;
  job.maxima = site_tensors(model, seen_suffix);
  job.after_step = [&model, decay = how->decay()](const step_info&) {
    advance_ranges(model, decay);
  };
}

/// What a recipe adds to its folder besides the model and its settings.
struct folder_extras {
  nlohmann::json results = nlohmann::json::object();  ///< into results.json
  std::vector<named_tensor> tensors;                  ///< into model.safetensors
  std::map<std::string, std::string> files;           ///< further text files, by name
};

/// Whether an earlier call finished this run, for --resume. `facts`: the entries that the run would
/// add to results.json.
/// Errors: invalid_argument when that run had other options or data; those of read_json
inline result<bool> finished_before(const recipe_options& options, const std::string& scheme,
                                    const tokenized_dataset& data, const nlohmann::json& facts) {
  const auto path = options.out / "results.json";
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return false;
  LOWBIT_TRY_ASSIGN(const auto found, read_json(path));
  const auto says = [&](const std::string& name, const nlohmann::json& value) {
    return found.is_object() && found.contains(name) && found.at(name) == value;
  };
  if (!says("finished", true)) return false;
  LOWBIT_TRY_ASSIGN(const auto identity, run_identity(data, options.teacher, options.student));
  bool same = says("settings", settings_text(options.fit, scheme) + identity);
  for (const auto& [name, value] : facts.items()) same = same && says(name, value);
  if (!same) {
    return status::error(errc::invalid_argument, options.out.native(),
                         ": belongs to a run with other options or data");
  }
  if (options.group->leads()) std::fprintf(stderr, "%s: finished already\n", options.out.c_str());
  return true;
}

/// Trains, keeps the folder up to date with the best epoch, and writes the final results. Empty
/// members of the job get defaults: all parameters, token dropout, the score on validation
/// examples. `facts` is added to results.json; a resumed run must have the same.
/// Errors: those of check_output and fit; invalid_argument if a test split is requested but
///         missing; failed writes
inline status train_and_write(bert& model, const model_description& description,
                              const tokenized_dataset& data, std::int64_t unknown_token,
                              const recipe_options& options, nlohmann::json facts, fit_job job,
                              const folder_extras& extras = {}) {
  LOWBIT_TRY(check_output(options));
  if (options.test && data.test.empty()) {
    return status::error(errc::invalid_argument, options.data.native(),
                         ": has no test split to read at the end");
  }
  const torch::Device device = default_device();
  fit_options fitting = options.fit;
  fitting.checkpoint = checkpoint_of(options.out);
  std::error_code ignored;
  if (fitting.resume && !std::filesystem::exists(fitting.checkpoint, ignored)) {
    const auto done = finished_before(options, model.how().name(), data, facts);
    if (!done || *done) return done.status();
  }
  tell_of_data(data, *options.group);
  LOWBIT_TRY_ASSIGN(const auto identity, run_identity(data, options.teacher, options.student));
  const std::string settings = settings_text(fitting, facts.dump()) + identity;
  facts["settings"] = settings_text(fitting, model.how().name()) + identity;
  for (const auto& [name, path] :
       {std::pair{"data", &options.data}, std::pair{"teacher_folder", &options.teacher},
        std::pair{"student_folder", &options.student}}) {
    if (!path->empty()) facts[name] = path->native();
  }
  if (options.max_length != 0) facts["max_length"] = options.max_length;
  facts["shape"] = to_json(description.shape);
  facts["examples"] = {{"train", data.train.size()},
                       {"validation", data.validation.size()},
                       {"test", data.test.size()}};
  const std::string measure = score_name(description.shape.head);
  const auto write = [&](const run_state& run, bool finished, double test) {
    nlohmann::json results = facts;
    results.update(extras.results);
    results["run"] = to_json(run);
    results["finished"] = finished;
    if (run.best >= 0) results["validation_" + measure] = run.best;
    if (test >= 0) results["test_" + measure] = test;
    if (job.report) results.update(job.report());
    std::vector<named_tensor> tensors = model.exported();
    tensors.insert(tensors.end(), extras.tensors.begin(), extras.tensors.end());
    std::map<std::string, std::string> files = extras.files;
    const std::string title = facts.at("recipe").get<std::string>() + ": " + model.how().name();
    files["curves.svg"] = curves_svg(run, title, "validation " + measure);
    return write_model_folder(options.out, description, model.how(), tensors, results,
                              existing::replace, files);
  };
  if (job.parameters.empty()) job.parameters = trained(model.parameters());
  for (const named_tensor& b : model.buffers()) job.buffers.push_back(b);
  follow_ranges(model, job);
  if (!job.corrupt) job.corrupt = token_dropout(fitting.token_dropout, unknown_token);
  if (!job.validate && !data.validation.empty()) {
    job.validate = [&] { return score(model, data.validation, description.labels, device); };
  }
  if (!job.improved) {
    job.improved = [&write](const run_state& best) { return write(best, false, -1.0); };
  }
  LOWBIT_TRY_ASSIGN(const auto run,
                    fit(job, data.train, fitting, settings, device, *options.group));
  if (run.step == options.fit.stop_after) return {};  // on purpose; resumable
  if (!options.group->leads()) return {};
  LOWBIT_TRY(
      write(run, true, options.test ? score(model, data.test, description.labels, device) : -1.0));
  std::filesystem::remove(fitting.checkpoint, ignored);
  return {};
}

}  // namespace lowbit::train
