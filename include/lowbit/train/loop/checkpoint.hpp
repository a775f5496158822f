// SPDX-License-Identifier: Apache-2.0
// Everything needed to resume a stopped training run as if uninterrupted: parameters and buffers,
// the best ones so far, optimizer moments, the state of libtorch's generator and the counters. One
// safetensors file, written after every epoch and every few minutes.
#pragma once

#include <torch/torch.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/io/json.hpp"
#include "lowbit/io/safetensors.hpp"
#include "lowbit/train/model/folder.hpp"

namespace lowbit::train {

/// Means over the steps since the previous point.
struct history_point {
  std::int64_t step = 0;  ///< steps done
  double loss = 0.0;
  std::map<std::string, double> measures;  ///< measured by the recipe, by name
};

struct history_score {
  std::int64_t step = 0;
  std::int64_t epoch = 0;  ///< finished epochs
  double score = 0.0;
};

/// The counters of a run.
struct run_state {
  std::int64_t step = 0;  ///< finished steps
  double best = -1.0;     ///< best validation score; negative: none yet
  std::int64_t best_epoch = 0;
  double seconds = 0.0;
  std::vector<history_point> history;
  std::vector<history_score> scores;
  history_point open;          ///< sums of the unfinished point
  std::int64_t collected = 0;  ///< steps in it
};

inline nlohmann::json to_json(const history_point& p) {
  return {{"step", p.step}, {"loss", p.loss}, {"measures", p.measures}};
}
inline history_point point_from_json(const nlohmann::json& json) {
  return {json.at("step").get<std::int64_t>(), json.at("loss").get<double>(),
          json.at("measures").get<std::map<std::string, double>>()};
}

inline nlohmann::json to_json(const run_state& run) {
  nlohmann::json history = nlohmann::json::array(), scores = nlohmann::json::array();
  for (const history_point& p : run.history) history.push_back(to_json(p));
  for (const history_score& s : run.scores) scores.push_back({s.step, s.epoch, s.score});
  return {{"step", run.step},          {"best", run.best},          {"best_epoch", run.best_epoch},
          {"seconds", run.seconds},    {"history", history},        {"scores", scores},
          {"open", to_json(run.open)}, {"collected", run.collected}};
}

inline run_state run_from_json(const nlohmann::json& json) {
  run_state run;
  run.step = json.at("step").get<std::int64_t>();
  run.best = json.at("best").get<double>();
  run.best_epoch = json.at("best_epoch").get<std::int64_t>();
  run.seconds = json.at("seconds").get<double>();
  for (const auto& p : json.at("history")) run.history.push_back(point_from_json(p));
  for (const auto& s : json.at("scores")) {
    run.scores.push_back(
        {s.at(0).get<std::int64_t>(), s.at(1).get<std::int64_t>(), s.at(2).get<double>()});
  }
  run.open = point_from_json(json.at("open"));
  run.collected = json.at("collected").get<std::int64_t>();
  return run;
}

/// Writes the checkpoint atomically. `settings` is compared on resume: a run can only be resumed
/// with the options it was started with.
inline status write_checkpoint(const std::filesystem::path& path,
                               const std::vector<named_tensor>& tensors, const run_state& run,
                               const std::string& settings) {
  std::vector<Tensor> kept;
  std::vector<tensor_to_write> written;
  for (const auto& [name, tensor] : tensors) {
    kept.push_back(storable(tensor));
    written.push_back(as_written(name, kept.back(), lowbit::element_type::f32));
  }
  const Tensor generator = at::detail::getDefaultCPUGenerator().get_state().contiguous();
  written.push_back(as_written("generator", generator, lowbit::element_type::u8));
  return write_safetensors(path, written, {{"run", to_json(run).dump()}, {"settings", settings}},
                           existing::replace);
}

/// Restores the stored tensors in place, and the generator.
inline result<run_state> read_checkpoint(const std::filesystem::path& path,
                                         const std::vector<named_tensor>& tensors,
                                         const std::string& settings) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    return status::error(errc::not_found, path.native(),
                         ": no such file, so there is nothing to go on from; without --resume the "
                         "run starts anew");
  }
  LOWBIT_TRY_ASSIGN(const auto file, safetensors_file::open(path));
  const auto& metadata = file.metadata();
  const auto stored = metadata.find("settings"), run = metadata.find("run");
  if (stored == metadata.end() || run == metadata.end()) {
    return status::error(errc::malformed, path.native(), ": not a training checkpoint");
  }
  if (stored->second != settings) {
    return status::error(errc::invalid_argument, path.native(),
                         ": belongs to a run with other options; now: ", settings,
                         "; then: ", stored->second);
  }
  for (const auto& [name, tensor] : tensors) {
    const tensor_view* found = file.find(name);
    if (found == nullptr) {
      return status::error(errc::not_found, path.native(), ": no tensor \"", name, "\"");
    }
    LOWBIT_TRY(copy_into(*found, tensor));
  }
  auto generator = at::detail::getDefaultCPUGenerator();
  Tensor state = generator.get_state().clone();
  const tensor_view* bytes = file.find("generator");
  if (bytes == nullptr || bytes->data.size() != state.nbytes()) {
    return status::error(errc::malformed, path.native(), ": no usable tensor \"generator\"");
  }
  std::memcpy(state.data_ptr(), bytes->data.data(), bytes->data.size());
  generator.set_state(state);
  LOWBIT_TRY_ASSIGN(const auto json, parse_json(run->second, path.native()));
  try {
    return run_from_json(json);
  } catch (const nlohmann::json::exception& error) {
    return status::error(errc::malformed, path.native(), ": ", error.what());
  }
}

}  // namespace lowbit::train
