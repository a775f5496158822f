// SPDX-License-Identifier: Apache-2.0
// The results of a search per shape, their order, and their JSON. The same document is the saved
// state of a running search and the final ranking.json. Times are measured once and stored;
// everything else is deterministic.
#pragma once

#include <algorithm>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/io/json.hpp"
#include "lowbit/io/output_file.hpp"
#include "lowbit/train/recipe/search/shapes.hpp"
#include "lowbit/train/recipe/search/trial.hpp"

namespace lowbit::train {

/// One forward of a shape, measured interleaved with the maximum point.
struct measured_shape {
  double seconds = 0.0, maximum_seconds = 0.0;
  std::uint64_t bytes = 0;  ///< of a model folder under the policy

  [[nodiscard]] double ratio() const { return seconds / maximum_seconds; }
};

struct trial_result {
  trial_setting setting;
  double error = std::numeric_limits<double>::infinity();  ///< infinite: diverged
};

struct search_candidate {
  shape_point at;
  std::uint64_t parameters = 0;
  measured_shape measured;           ///< bytes == 0: not measured yet
  std::vector<trial_result> trials;  ///< finished trials
  double coefficient = 0.0;          ///< W of the best trial setting

  /// e(xi): the minimum over the trial settings, as in the coefficient.
  [[nodiscard]] double error() const {
    double least = std::numeric_limits<double>::infinity();
    for (const trial_result& t : trials) least = std::min(least, t.error);
    return least;
  }
};

struct search_ranking {
  std::string settings;      ///< of all numbers below; must match to resume
  search_candidate maximum;  ///< T: the teacher's shape
  std::vector<search_candidate> candidates;

  [[nodiscard]] search_candidate* find(const shape_point& at) {
    for (search_candidate& c : candidates) {
      if (c.at == at) return &c;
    }
    return nullptr;
  }
  /// i(xi) in milliseconds: the ratio of the interleaved measurement times the maximum point's own
  /// time, so that changes in the machine's speed do not affect the order.
  [[nodiscard]] double milliseconds(const search_candidate& c) const {
    return 1e3 * c.measured.ratio() * maximum.measured.seconds;
  }
  [[nodiscard]] double size_ratio(const search_candidate& c) const {
    return static_cast<double>(c.parameters) / static_cast<double>(maximum.parameters);
  }
  /// Computes every W and sorts by it; ties by error, then in the previous order.
  void rank() {
    for (search_candidate& c : candidates) {
      c.coefficient = lowbit::train::coefficient(size_ratio(c), c.measured.ratio(), c.error());
    }
    std::stable_sort(candidates.begin(), candidates.end(), [](const auto& a, const auto& b) {
      return a.coefficient != b.coefficient ? a.coefficient > b.coefficient : a.error() < b.error();
    });
  }
  [[nodiscard]] std::vector<bool> front() const {
    std::vector<std::array<double, 3>> points;
    for (const search_candidate& c : candidates) {
      points.push_back({static_cast<double>(c.parameters), c.measured.ratio(), c.error()});
    }
    return non_dominated(points);
  }
};

inline nlohmann::json to_json(const search_candidate& c) {
  nlohmann::json trials = nlohmann::json::array();
  for (const trial_result& t : c.trials) {  // null: diverged
    trials.push_back({{"lr", t.setting.rate}, {"batch", t.setting.batch}, {"error", t.error}});
  }
  return {{"layers", c.at.layers},
          {"heads", c.at.heads},
          {"hidden", c.at.hidden},
          {"intermediate", c.at.intermediate},
          {"parameters", c.parameters},
          {"bytes", c.measured.bytes},
          {"seconds", c.measured.seconds},
          {"maximum_seconds", c.measured.maximum_seconds},
          {"trials", trials}};
}

inline nlohmann::json to_json(const search_ranking& r) {
  nlohmann::json candidates = nlohmann::json::array();
  const std::vector<bool> front = r.front();
  for (std::size_t i = 0; i < r.candidates.size(); ++i) {
    const search_candidate& c = r.candidates[i];
    nlohmann::json one = to_json(c);
    one["milliseconds"] = r.milliseconds(c);
    one["error"] = c.error();
    one["W"] = c.coefficient;
    one["on_front"] = static_cast<bool>(front[i]);
    candidates.push_back(std::move(one));
  }
  nlohmann::json maximum = to_json(r.maximum);
  maximum["milliseconds"] = r.milliseconds(r.maximum);
  return {{"settings", r.settings}, {"maximum", maximum}, {"candidates", candidates}};
}

inline search_candidate candidate_from_json(const nlohmann::json& json) {
  search_candidate c;
  c.at = {json.at("layers").get<std::size_t>(), json.at("heads").get<std::size_t>(),
          json.at("hidden").get<std::size_t>(), json.at("intermediate").get<std::size_t>()};
  c.parameters = json.at("parameters").get<std::uint64_t>();
  c.measured = {json.at("seconds").get<double>(), json.at("maximum_seconds").get<double>(),
                json.at("bytes").get<std::uint64_t>()};
  for (const nlohmann::json& t : json.at("trials")) {
    trial_result one{{t.at("lr").get<double>(), t.at("batch").get<std::size_t>()}};
    if (!t.at("error").is_null()) one.error = t.at("error").get<double>();
    c.trials.push_back(one);
  }
  return c;
}

/// Reads the state of a search with these settings.
/// Errors: those of read_json; malformed; invalid_argument for other settings
inline result<search_ranking> read_ranking(const std::filesystem::path& path,
                                           const std::string& settings) {
  LOWBIT_TRY_ASSIGN(const auto json, read_json(path));
  try {
    search_ranking r;
    r.settings = json.at("settings").get<std::string>();
    if (r.settings != settings) {
      return status::error(errc::invalid_argument, path.native(),
                           ": belongs to a search with other options; now: ", settings,
                           "; then: ", r.settings);
    }
    r.maximum = candidate_from_json(json.at("maximum"));
    for (const auto& c : json.at("candidates")) r.candidates.push_back(candidate_from_json(c));
    return r;
  } catch (const nlohmann::json::exception& error) {
    return status::error(errc::malformed, path.native(), ": ", std::string_view(error.what()));
  }
}

}  // namespace lowbit::train
