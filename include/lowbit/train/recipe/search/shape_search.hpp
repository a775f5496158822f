// SPDX-License-Identifier: Apache-2.0
// A running search: measures shapes, runs their trials, and saves after each, so that nothing is
// repeated. The caller supplies the latency meter (the program's uses lowbit's kernels), so recipes
// need no engine.
#pragma once

#include <algorithm>
#include <cstdio>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/train/recipe/recipe.hpp"
#include "lowbit/train/recipe/search/data.hpp"
#include "lowbit/train/recipe/search/news.hpp"
#include "lowbit/train/recipe/search/progress.hpp"
#include "lowbit/train/recipe/search/ranking.hpp"

namespace lowbit::train {

/// Times the forwards of `candidate` and `maximum`, interleaved.
using latency_meter =
    std::function<result<measured_shape>(const model_shape& candidate, const model_shape& maximum)>;

struct search_options : recipe_options {  // fit: for the final pre-training, and the seed
  shape_grid grid;
  latency_meter meter;
  std::string measured_as;  ///< what the meter measures, for the record: policy, tokens
  double max_milliseconds = 0.0, max_megabytes = 0.0;  ///< 0: no limit
  std::size_t every = 1;                               ///< take every n-th shape in order of growth
  double epsilon = 0.0;  ///< replaces `every`, see interval_for(); 0: unused
  trial_options trials;
  std::vector<double> rates{0.5, 0.1};  ///< Theta is rates x batches
  std::vector<std::size_t> batches{32};
  bool train = true;  ///< pre-train the chosen shape
};

namespace detail {

/// All settings that determine a stored number, as text. Grid, budgets and interval do not, so a
/// resumed search may change them.
inline result<std::string> search_settings(const search_options& o, const search_data& data,
                                           const model_shape& teacher) {
  const trial_options& t = o.trials;
  LOWBIT_TRY_ASSIGN(const auto identity, run_identity(data.examples, o.teacher, o.student));
  return "search shape=" + to_string(point_of(teacher)) +
         " parameters=" + std::to_string(stored_parameters(teacher)) +
         " measured=" + o.measured_as + " steps=" + std::to_string(t.steps) +
         (t.adam ? " adam" : " sgd") + " seed=" + std::to_string(t.seed) +
         (t.type == precision::bf16 ? " bf16" : " f32") +
         " hard=" + number_text(t.objective.hard_weight) +
         " soft=" + number_text(t.objective.soft_weight) +
         " temperature=" + number_text(t.objective.temperature) + identity;
}

inline std::string three_digits(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", v);
  return text;
}

}  // namespace detail

/// The saved state of an unfinished search, next to the output folder.
inline std::filesystem::path search_state_of(const std::filesystem::path& out) {
  return beside(out, ".search");
}

class shape_search {
 public:
  shape_search(const search_options& options, const loaded_model& teacher,
               std::filesystem::path state)
      : o_(options), teacher_(teacher.description.shape), state_(std::move(state)) {}

  /// Starts, or resumes from the state file or else from the finished ranking.
  status start(const std::string& settings) {
    std::error_code ignored;
    if (o_.fit.resume) {
      const std::filesystem::path finished = o_.out / "ranking.json";
      const bool open = std::filesystem::exists(state_, ignored);
      if (!open && !std::filesystem::exists(finished, ignored)) {
        return status::error(errc::not_found, state_.native(), ": no such file, nor ",
                             finished.native(),
                             ", so there is nothing to go on from; without --resume the search "
                             "starts anew");
      }
      LOWBIT_TRY_ASSIGN(all_, read_ranking(open ? state_ : finished, settings));
      return {};
    }
    all_.settings = settings;
    all_.maximum.at = point_of(teacher_);
    all_.maximum.parameters = stored_parameters(teacher_);
    LOWBIT_TRY_ASSIGN(all_.maximum.measured, o_.meter(teacher_, teacher_));
    return {};
  }

  /// The shapes to try: smaller than the teacher, within the budgets, every n-th.
  ///
  /// Errors: invalid_argument if none is left, with the reason
  result<std::vector<shape_point>> shapes() {
    std::vector<shape_point> grid = enumerate(o_.grid);
    if (grid.empty()) {
      return status::error(errc::invalid_argument,
                           "the grid of shapes is empty: no hidden size is a multiple of a number "
                           "of heads");
    }
    const shape_point maximum = point_of(teacher_);
    const std::size_t asked = grid.size();
    std::erase_if(grid, [&](const shape_point& x) {
      return stored_parameters(shape_at(x, teacher_)) >= all_.maximum.parameters ||
             growth(x) >= growth(maximum);
    });
    if (grid.empty()) {
      return status::error(errc::invalid_argument, o_.teacher.native(), ": a teacher of shape ",
                           to_string(maximum), " with ", all_.maximum.parameters,
                           " parameters is not larger than any of the ", asked, " candidates");
    }
    if (grid.size() < asked) {
      std::fprintf(stderr, "%zu of %zu shapes are not smaller than the teacher and left out\n",
                   asked - grid.size(), asked);
    }
    for (const shape_point& x : grid) LOWBIT_TRY(shape_at(x, teacher_).check().in(to_string(x)));
    if (o_.max_milliseconds > 0 || o_.max_megabytes > 0) {
      LOWBIT_TRY(measure(grid));
      LOWBIT_TRY(keep_within_budgets(grid));
    }
    const std::size_t n =
        o_.epsilon > 0 ? interval_for(o_.epsilon, o_.trials.steps, grid.size()) : o_.every;
    const std::size_t before = grid.size();
    grid = every_nth(std::move(grid), n);
    if (n > 1) {
      std::fprintf(stderr, "every %zu. of %zu shapes: %zu\n", n, before, grid.size());
      if (grid.size() == 1 && before > 1) {
        std::fprintf(stderr, "one shape is left, so nothing is chosen: try a smaller %s\n",
                     o_.epsilon > 0 ? "epsilon" : "interval");
      }
    }
    LOWBIT_TRY(measure(grid));
    return grid;
  }

  /// Runs the trials that no earlier search has finished; saves after each shape.
  status run_trials(const std::vector<shape_point>& shapes, const scheme_ptr& how,
                    taught_batches& batches, const torch::Device& device) {
    const std::vector<trial_setting> settings = theta();
    std::vector<shape_point> open;
    for (const shape_point& x : shapes) {
      const search_candidate& c = *all_.find(x);
      // Shapes slower than the teacher have W = 0 whatever their error.
      if (c.measured.ratio() < 1.0 && !missing(c, settings).empty()) open.push_back(x);
    }
    detail::search_progress shown(open.size(),
                                  settings.size() * static_cast<std::size_t>(o_.trials.steps));
    for (std::size_t i = 0; i < open.size(); ++i) {
      search_candidate& c = *all_.find(open[i]);
      shown.begin(i, c.at);
      for (const trial_setting& s : missing(c, settings)) {
        const auto error =
            trial_error(shape_at(c.at, teacher_), how, batches, s, o_.trials, device, [&] {
              shown.step();
              return !stop_asked();
            });
        if (!error) return stopped("trial", i, open.size());
        c.trials.push_back({s, *error});
      }
      LOWBIT_TRY(save());
      LOWBIT_TRY(detail::tell_searching(*o_.group));
      shown.finished(all_, c, open.size() - i - 1);
    }
    return {};
  }

  /// The ranking of these shapes only, by the trial settings requested now.
  [[nodiscard]] search_ranking ranked(const std::vector<shape_point>& shapes) {
    const std::vector<trial_setting> settings = theta();
    search_ranking r{all_.settings, all_.maximum, {}};
    for (const shape_point& x : shapes) {
      r.candidates.push_back(*all_.find(x));
      std::erase_if(r.candidates.back().trials, [&settings](const trial_result& t) {
        return std::find(settings.begin(), settings.end(), t.setting) == settings.end();
      });
    }
    r.rank();
    return r;
  }

 private:
  [[nodiscard]] std::vector<trial_setting> theta() const {
    std::vector<trial_setting> settings;
    for (const double rate : o_.rates) {
      for (const std::size_t batch : o_.batches) settings.push_back({rate, batch});
    }
    return settings;
  }

  [[nodiscard]] bool stop_asked() const { return o_.fit.stop_asked && o_.fit.stop_asked(); }

  [[nodiscard]] status stopped(const char* what, std::size_t done, std::size_t all) const {
    return status::error(errc::invalid_argument, "stopped on request in ", what, " ", done + 1,
                         " of ", all, "; go on with the same command and --resume, from ",
                         state_.native());
  }

  [[nodiscard]] status save() const {
    return write_file(state_, to_json(all_).dump(1) + '\n', existing::replace);
  }

  static std::vector<trial_setting> missing(const search_candidate& c,
                                            const std::vector<trial_setting>& settings) {
    std::vector<trial_setting> open;
    for (const trial_setting& s : settings) {
      const bool done = std::any_of(c.trials.begin(), c.trials.end(),
                                    [&s](const trial_result& t) { return t.setting == s; });
      if (!done) open.push_back(s);
    }
    return open;
  }

  status measure(const std::vector<shape_point>& shapes) {
    const detail::search_progress shown(0, 0);
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      if (all_.find(shapes[i]) != nullptr) continue;
      if (stop_asked()) return stopped("measurement", i, shapes.size());
      const model_shape shape = shape_at(shapes[i], teacher_);
      LOWBIT_TRY_ASSIGN(const auto measured, o_.meter(shape, teacher_));
      all_.candidates.push_back({shapes[i], stored_parameters(shape), measured, {}, 0.0});
      LOWBIT_TRY(save());
      LOWBIT_TRY(detail::tell_searching(*o_.group));
      shown.measured(i + 1, shapes.size(), shapes[i]);
    }
    return {};
  }

  status keep_within_budgets(std::vector<shape_point>& grid) {
    double least_ms = std::numeric_limits<double>::infinity(), least_mb = least_ms;
    std::erase_if(grid, [&](const shape_point& x) {
      const search_candidate& c = *all_.find(x);
      const double ms = all_.milliseconds(c), mb = static_cast<double>(c.measured.bytes) / 1e6;
      least_ms = std::min(least_ms, ms), least_mb = std::min(least_mb, mb);
      return (o_.max_milliseconds > 0 && ms > o_.max_milliseconds) ||
             (o_.max_megabytes > 0 && mb > o_.max_megabytes);
    });
    if (!grid.empty()) return {};
    std::string limits;
    if (o_.max_milliseconds > 0) limits = detail::three_digits(o_.max_milliseconds) + " ms";
    if (o_.max_megabytes > 0) {
      limits += (limits.empty() ? "" : " and ") + detail::three_digits(o_.max_megabytes) + " MB";
    }
    return status::error(errc::invalid_argument, "no shape of the grid has at most ", limits,
                         "; the fastest takes ", detail::three_digits(least_ms),
                         " ms, the smallest ", detail::three_digits(least_mb), " MB");
  }

  const search_options& o_;
  model_shape teacher_;
  std::filesystem::path state_;
  search_ranking all_;
};

}  // namespace lowbit::train
