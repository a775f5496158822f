// SPDX-License-Identifier: Apache-2.0
// Optimal subarchitecture extraction, the procedure behind Bort: selects from a grid of shapes one
// that is small, fast and learns quickly from a teacher, then pre-trains it by distillation. The
// output is a model folder that also holds the ranking of all shapes.
#pragma once

#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "lowbit/io/output_folder.hpp"
#include "lowbit/train/recipe/recipe.hpp"
#include "lowbit/train/recipe/search/front_svg.hpp"
#include "lowbit/train/recipe/search/shape_search.hpp"
#include "lowbit/train/recipe/stages.hpp"

namespace lowbit::train {

/// Pre-trains the chosen shape under `how` into the output folder, together with `more_files`.
inline status pretrain_chosen(const search_options& options, const shape_point& chosen,
                              loaded_model& teacher, const search_data& data, const scheme_ptr& how,
                              const std::map<std::string, std::string>& more_files) {
  recipe_options o = stage_options(options, "");
  o.replace = true;  // the folder already holds the ranking
  model_description description = teacher.description;
  description.shape = shape_at(chosen, description.shape);
  const head_kind head = description.shape.head;
  torch::manual_seed(o.fit.seed);
  bert model(description.shape, how);
  model.to(default_device());
  const forward_options forward = training_forward(o.fit, true);
  const soft_target_options& objective = options.trials.objective;
  fit_job job;
  job.corrupt = data.corrupt;
  job.loss = [&](const batch& in, const step_info&) {
    const Tensor answers =
        teach(teacher.model, in, {.type = forward.type, .logits_only = true}).logits;
    return teaching_loss(model.forward(in, forward), answers, head, objective);
  };
  nlohmann::json facts = {{"recipe", "search"}, {"chosen", to_string(chosen)}};
  if (head == head_kind::masked_lm) {
    facts["hard_weight"] = objective.hard_weight;
    facts["soft_weight"] = objective.soft_weight;
    facts["temperature"] = objective.temperature;
  }
  const auto done = stage_finished(options, o, how->name(), data.examples, facts);
  if (!done || *done) return done.status();
  folder_extras extras;
  extras.files = more_files;
  return train_and_write(model, description, data.examples, teacher.tokenizer.unk_id(), o, facts,
                         std::move(job), extras);
}

namespace detail {

/// Warns if all errors are within 1 %: then only size and latency decide.
inline void warn_of_equal_errors(const search_ranking& r) {
  double least = std::numeric_limits<double>::infinity(), most = 0.0;
  for (const search_candidate& c : r.candidates) {
    if (!std::isfinite(c.error())) continue;
    least = std::min(least, c.error()), most = std::max(most, c.error());
  }
  if (r.candidates.size() < 2 || most > 1.01 * least) return;
  std::fprintf(stderr,
               "the errors of all shapes are within 1 %%: W follows size and latency alone; try "
               "longer trials, other learning rates or Adam\n");
}

/// The result of a search: the best shape, and the files stored with the model.
struct search_choice {
  shape_point at;
  std::map<std::string, std::string> files;
};

/// Measures the shapes, runs their trials, and writes ranking.json and front.svg into the output
/// folder.
inline result<search_choice> choose_shape(const search_options& options, loaded_model& teacher,
                                          const search_data& data, const scheme_ptr& how) {
  const std::filesystem::path state = search_state_of(options.out);
  shape_search all(options, teacher, state);
  LOWBIT_TRY_ASSIGN(const auto settings, search_settings(options, data, teacher.description.shape));
  LOWBIT_TRY(all.start(settings));
  LOWBIT_TRY_ASSIGN(const auto shapes, all.shapes());
  const torch::Device device = default_device();
  taught_batches batches(data.examples.train, data.corrupt, teacher.model, options.trials, device);
  LOWBIT_TRY(all.run_trials(shapes, how, batches, device));

  const search_ranking ranking = all.ranked(shapes);
  const search_candidate& best = ranking.candidates.front();
  if (!(best.coefficient > 0)) {
    return status::error(errc::invalid_argument, "no shape has a positive W: of the best, ",
                         to_string(best.at), ", the latency is ",
                         three_digits(best.measured.ratio()), " of the teacher's and the error ",
                         three_digits(best.error()));
  }
  warn_of_equal_errors(ranking);
  search_choice choice{best.at,
                       {{"ranking.json", to_json(ranking).dump(1) + '\n'},
                        {"front.svg", front_svg(ranking, "Shapes under " + options.measured_as)}}};
  const auto written = read_json(options.out / "ranking.json");
  if (!options.fit.resume || !written ||
      *written != nlohmann::json::parse(choice.files.at("ranking.json"))) {
    LOWBIT_TRY_ASSIGN(
        auto folder, output_folder::create(options.out,
                                           options.replace || options.fit.resume ? existing::replace
                                                                                 : existing::refuse,
                                           replaceable_training_folder()));
    for (const auto& [name, file] : choice.files) {
      LOWBIT_TRY(write_file(folder.folder() / name, file));
    }
    LOWBIT_TRY(folder.commit());
  }
  std::error_code ignored;
  std::filesystem::remove(state, ignored);
  return choice;
}

/// The leader's choice, in all processes; only the leader has the files.
inline result<search_choice> agreed_choice(const search_options& options, loaded_model& teacher,
                                           const search_data& data, const scheme_ptr& how) {
  const workers& group = *options.group;
  if (!group.leads()) {
    LOWBIT_TRY_ASSIGN(const auto heard, wait_for_choice(group));
    return search_choice{heard, {}};
  }
  auto choice = choose_shape(options, teacher, data, how);
  const auto told = choice ? share_news(group, search_news::chosen, choice->at)
                           : share_news(group, search_news::failed);
  if (choice && !told) return told.status();
  return choice;
}

}  // namespace detail

/// Searches, writes ranking.json and front.svg, then trains the chosen model into the same folder.
/// With several processes, only the leader searches.
///
/// Source: Optimal subarchitecture extraction for BERT (de Wynter and Perry, 2020), section 3
/// Errors: those of load_model, search_data_for and shapes(); invalid_argument when no shape has a
///         positive W, or for a masked-LM objective with another kind of teacher
inline status search(const search_options& options) {
  if (options.rates.empty() || options.batches.empty() || options.trials.steps < 1 ||
      options.every < 1) {
    return status::error(errc::invalid_argument,
                         "a search needs a learning rate, a batch size, a step and an interval of "
                         "at least 1");
  }
  LOWBIT_TRY(check_output(options));
  if (options.group->leads()) LOWBIT_TRY(check_free(options, search_state_of(options.out)));
  LOWBIT_TRY_ASSIGN(auto teacher, load_model(options.teacher, default_device()));
  const head_kind head = teacher.description.shape.head;
  if (head != head_kind::masked_lm && !(options.trials.objective == trial_options{}.objective)) {
    return status::error(errc::invalid_argument, options.teacher.native(), ": a ", name_of(head),
                         " model; the weights and the temperature of a search are for a masked "
                         "language model");
  }
  const scheme_ptr how = std::make_shared<float_scheme>(teacher.how->hidden_act());
  LOWBIT_TRY_ASSIGN(const auto data, search_data_for(options, teacher));
  LOWBIT_TRY_ASSIGN(const auto choice, detail::agreed_choice(options, teacher, data, how));
  if (!options.train) return {};
  return pretrain_chosen(options, choice.at, teacher, data, how, choice.files);
}

}  // namespace lowbit::train
