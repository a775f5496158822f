// SPDX-License-Identifier: Apache-2.0
#include "session.hpp"

#include "messages.hpp"

namespace lowbit_tool {

using lowbit::errc;
using lowbit::result;
using lowbit::status;

std::size_t encoder_of(const lowbit::canonical_model& m) {
  return lowbit::find_policy(m.policy, m.zero).value().encoder;
}

result<session> session::start(lowbit::canonical_model model, const std::string& arch,
                               std::size_t threads) {
  LOWBIT_TRY_ASSIGN(const auto engine, lowbit::find_engine(arch, "--arch"));
  LOWBIT_TRY_ASSIGN(const auto named, lowbit::find_policy(model.policy, model.zero));
  session s(std::move(model));
  s.encoder_ = named.encoder;
  s.engine_ = engine->has(s.encoder_) ? engine : engine->below;
  s.pads_ = named.padded;
  const lowbit::weight_set weights = s.model_.weights();
  s.packed_ = lowbit::aligned_buffer(s.engine_->model_bytes(s.encoder_, weights, s.shape()));
  if (s.packed_.data() == nullptr)
    return status::error(errc::io_error, "out of memory for the packed weights");
  s.model_.release_pages();  // pages that were read for validation
  LOWBIT_TRY(s.engine_->load(s.encoder_, weights, s.shape(), s.packed_.data(), s.packed_.size()));
  s.model_.release_pages();
  LOWBIT_TRY_ASSIGN(s.pool_, lowbit::thread_pool::start(threads));
  return s;
}

result<session> session::open(const std::string& folder, const lowbit::load_options& options,
                              const std::string& arch, std::size_t threads,
                              std::optional<lowbit::head_kind> wanted) {
  LOWBIT_TRY_ASSIGN(auto model, lowbit::open_model(folder, options));
  if (wanted) LOWBIT_TRY(lowbit::check_head(model.config, *wanted).in(folder));
  for (const std::string& warning : model.warnings) warn(warning);
  auto s = start(std::move(model), arch, threads);
  if (!s) return s.status().in(folder);
  return s;
}

result<std::vector<float>> session::run(const token_rows& rows, const lowbit::run_observer* watch) {
  if (pads_ && rows.valid.empty()) return run_padded(rows, watch);
  const lowbit::token_input in = rows.view();
  LOWBIT_TRY(reserve(in.batch, watch != nullptr));
  const lowbit::output_extents out = engine_->output(encoder_, shape(), in);
  std::vector<float> values(out.rows * out.cols);
  LOWBIT_TRY(engine_->run(encoder_, shape(), packed_.data(), in, workspace_.data(),
                          workspace_.size(), lowbit::threads_of(*pool_), watch, values.data()));
  return values;
}

result<std::vector<float>> session::run_padded(const token_rows& rows,
                                               const lowbit::run_observer* watch) {
  const token_rows padded = rows.padded();
  auto values = run(padded, watch);
  const lowbit::output_extents out = engine_->output(encoder_, shape(), padded.view());
  if (!values || out.rows != padded.ids.size() || out.rows == rows.ids.size()) return values;
  std::vector<float> kept;  // one row per token: drop the padding rows
  for (std::size_t s = 0; s < padded.sentences(); ++s) {
    const auto* first = values->data() + padded.offsets[s] * out.cols;
    kept.insert(kept.end(), first, first + padded.valid[s] * out.cols);
  }
  return kept;
}

status session::reserve(const lowbit::token_batch& batch, bool observed) {
  const std::size_t needed =
      engine_->workspace_bytes(encoder_, shape(), batch, pool_->workers(), observed);
  if (workspace_.size() < needed) {
    workspace_ = lowbit::aligned_buffer(needed);
    if (workspace_.data() == nullptr)
      return status::error(errc::io_error, "out of memory for the workspace");
  }
  return {};
}

status session::run_layer(std::size_t index, const token_rows& rows, std::vector<float>& hidden) {
  const lowbit::token_batch batch = rows.view().batch;
  LOWBIT_TRY(reserve(batch, false));
  return engine_->run_layer(encoder_, shape(), packed_.data(), index, batch, workspace_.data(),
                            workspace_.size(), lowbit::threads_of(*pool_), hidden.data());
}

}  // namespace lowbit_tool
