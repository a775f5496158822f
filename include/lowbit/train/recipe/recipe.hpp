// SPDX-License-Identifier: Apache-2.0
// What recipes share: options, a model with its folder's description, the data it is trained on,
// and the way from a training job to a finished model folder. Recipes print progress and nothing
// else.
#pragma once

#include <torch/torch.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/text/wordpiece_tokenizer.hpp"
#include "lowbit/train/data/dataset.hpp"
#include "lowbit/train/data/tokenize.hpp"
#include "lowbit/train/loop/curves.hpp"
#include "lowbit/train/loop/fit.hpp"
#include "lowbit/train/loop/score.hpp"
#include "lowbit/train/model/folder.hpp"
#include "lowbit/train/model/schemes.hpp"

namespace lowbit::train {

/// What all recipes are told.
struct recipe_options {
  std::filesystem::path data, out;
  std::filesystem::path teacher;  ///< of recipes that have one
  std::filesystem::path student;  ///< the first weights of what is trained; empty: the recipe's own
  labelling asked = labelling::sentences;
  std::size_t max_length = 0;  ///< tokens of a sentence; 0: the number of positions
  bool test = false;           ///< read the test split, once, with the final parameters
  bool replace = false;        ///< replace an existing output folder
  fit_options fit;
  std::shared_ptr<const workers> group = std::make_shared<workers>();
};

/// A model, what its folder says and its tokenizer.
struct loaded_model {
  model_description description;
  wordpiece_tokenizer tokenizer;
  bert model;
};

/// Fills `model` from a folder where names and shapes agree. Tensors of a head (pooler, classifier,
/// masked LM) that the folder lacks, or has for other labels, keep their first values.
///
/// Errors: as load_parameters for a tensor of the encoder
inline status load_encoder(const std::filesystem::path& folder, bert& model) {
  const auto tensors = checkpoint_tensors::open(folder);
  if (!tensors) return tensors.status();
  for (const auto& [name, parameter] : model.exported()) {
    const bool head = !name.starts_with("bert.encoder.") && !name.starts_with("bert.embeddings.");
    const tensor_view* found = tensors->find(name);
    const auto sizes = parameter.sizes();
    const bool fits =
        found != nullptr && found->shape.size() == sizes.size() &&
        std::equal(sizes.begin(), sizes.end(), found->shape.begin(),
                   [](std::int64_t a, std::size_t b) { return a == static_cast<std::int64_t>(b); });
    if (head && !fits) continue;
    if (found == nullptr) {
      return status::error(errc::not_found, folder.native(), ": no tensor \"", name, "\"");
    }
    LOWBIT_TRY(copy_into(*found, parameter));
  }
  return {};
}

/// The model of a folder under its own scheme, on the device; `bare`: its encoder alone, without
/// the head it may have.
inline result<loaded_model> load_model(const std::filesystem::path& folder,
                                       const torch::Device& device, bool bare = false) {
  const auto config = load_training_config(folder);
  if (!config) return config.status();
  auto how = scheme_of(*config, folder);
  if (!how) return how.status();
  auto opened = open_model_folder(folder);
  if (!opened) return opened.status();
  if (bare) {
    opened->model.shape.head = head_kind::mean_embedding;
    opened->model.shape.labels = 0;
    opened->model.labels.clear();
  }
  bert model(opened->model.shape, *how);
  LOWBIT_TRY(load_parameters(folder, model.exported()));
  model.to(device);
  return loaded_model{std::move(opened->model), std::move(opened->tokenizer), std::move(model)};
}

/// The longest sentence in tokens: the option, or all positions.
inline result<std::size_t> sentence_limit(const recipe_options& options, const model_shape& shape) {
  if (options.max_length > shape.positions) {
    return status::error(errc::invalid_argument, "max length ", options.max_length,
                         " is more than the ", shape.positions, " positions");
  }
  return options.max_length == 0 ? shape.positions : options.max_length;
}

/// The data of a run whose labels are those of a model that exists.
/// Errors: shape_mismatch when the labels are not the same
inline result<tokenized_dataset> data_for(const recipe_options& options,
                                          const model_description& model,
                                          const wordpiece_tokenizer& tokenizer,
                                          const std::filesystem::path& folder) {
  const auto asked = model.shape.head == head_kind::token ? labelling::words : labelling::sentences;
  const auto data = read_dataset(options.data, asked);
  if (!data) return data.status();
  std::vector<std::string> known = model.labels, used = label_names(data->train, data->tagged);
  std::sort(known.begin(), known.end());
  std::sort(used.begin(), used.end());
  if (known != used) {
    return status::error(errc::shape_mismatch, folder.native(), ": its ", known.size(),
                         " labels are not the ", used.size(), " of ", options.data.native());
  }
  const auto length = sentence_limit(options, model.shape);
  if (!length) return length.status();
  return tokenize(*data, model.labels, tokenizer, *length, options.data);
}

/// What a teacher computes for a batch: no gradient, no dropout.
inline trace teach(bert& teacher, const batch& in, const forward_options& options = {}) {
  torch::NoGradGuard no_gradients;
  return teacher.forward(in, options);
}

/// The forward of a training step under these options.
inline forward_options training_forward(const fit_options& o, bool logits_only = false) {
  return {true, o.dropout, o.classifier_dropout, o.type, logits_only};
}

inline nlohmann::json to_json(const model_shape& s) {
  return {{"layers", s.layers},         {"hidden", s.hidden},
          {"heads", s.heads},           {"intermediate", s.intermediate},
          {"vocabulary", s.vocabulary}, {"positions", s.positions},
          {"labels", s.labels},         {"attention", s.inner()}};
}

/// Where a run keeps its checkpoint: beside the output folder.
inline std::filesystem::path checkpoint_of(const std::filesystem::path& out) {
  std::filesystem::path folder = out.lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();
  return folder.native() + ".checkpoint";
}

/// An existing output folder is only touched by a run that may.
inline status check_output(const recipe_options& options) {
  std::error_code ignored;
  if (options.replace || options.fit.resume || !std::filesystem::exists(options.out, ignored)) {
    return {};
  }
  return status::error(errc::invalid_argument, options.out.native(),
                       ": exists; choose another folder, --replace or --resume");
}

/// What a recipe adds to its folder besides the model and the facts that are settings.
struct folder_extras {
  nlohmann::json results = nlohmann::json::object();  ///< into results.json
  std::vector<named_tensor> tensors;                  ///< into model.safetensors
  std::map<std::string, std::string> files;           ///< texts that stand beside, by name
};

/// Trains, keeps the folder up to date with the best epoch, and writes the final results. What the
/// job leaves empty gets its usual value: all parameters, token dropout, the score on validation
/// examples. `facts` is added to results.json and is part of the settings that a resumed run must
/// share.
inline status train_and_write(bert& model, const model_description& description,
                              const tokenized_dataset& data, std::int64_t unknown_token,
                              const recipe_options& options, nlohmann::json facts, fit_job job,
                              const folder_extras& extras = {}) {
  LOWBIT_TRY(check_output(options));
  const torch::Device device = default_device();
  fit_options fitting = options.fit;
  fitting.checkpoint = checkpoint_of(options.out);
  const std::string settings =
      settings_text(fitting, facts.dump()) + " train=" + std::to_string(data.train.size());
  facts["settings"] = settings_text(fitting, model.how().name());
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
  if (!job.corrupt) job.corrupt = token_dropout(fitting.token_dropout, unknown_token);
  if (!job.validate && !data.validation.empty()) {
    job.validate = [&] { return score(model, data.validation, description.labels, device); };
  }
  if (!job.improved) {
    job.improved = [&write](const run_state& best) { return write(best, false, -1.0); };
  }
  const auto run = fit(job, data.train, fitting, settings, device, *options.group);
  if (!run) return run.status();
  if (run->step == options.fit.stop_after) return {};  // on purpose; the checkpoint goes on
  if (!options.group->leads()) return {};
  LOWBIT_TRY(
      write(*run, true, options.test ? score(model, data.test, description.labels, device) : -1.0));
  std::error_code ignored;
  std::filesystem::remove(fitting.checkpoint, ignored);
  return {};
}

}  // namespace lowbit::train
