// SPDX-License-Identifier: Apache-2.0
#include "session.hpp"

#include <iostream>

#include "lowbit/arch/detect.hpp"

namespace lowbit_tool {

using lowbit::errc;
using lowbit::result;
using lowbit::status;

result<const lowbit_engine::engine*> find_engine(const std::string& arch) {
  const lowbit_engine::engine* const engines[] = {
#ifdef LOWBIT_HAS_ENGINE_AVX512
      &lowbit_engine::engine_avx512,
#endif
#ifdef LOWBIT_HAS_ENGINE_AVX2
      &lowbit_engine::engine_avx2,
#endif
      &lowbit_engine::engine_scalar,
  };
  for (const auto* e : engines) {
    if (arch.empty() ? lowbit::cpu_runs(e->arch) : arch == e->arch) {
      if (lowbit::cpu_runs(e->arch)) return e;
      return status::error(errc::unsupported, "--arch ", arch, ": this CPU does not run it");
    }
  }
  return status::error(errc::invalid_argument, "--arch is \"", arch,
                       "\", expected scalar, avx2 or avx512");
}

void token_rows::add(const std::vector<std::int32_t>& sentence,
                     const std::vector<std::int32_t>& types) {
  ids.insert(ids.end(), sentence.begin(), sentence.end());
  type_ids.insert(type_ids.end(), types.begin(), types.end());
  offsets.push_back(static_cast<std::uint32_t>(ids.size()));
}

lowbit_engine::batch token_rows::view() const {
  return {ids.data(), type_ids.data(), positions.empty() ? nullptr : positions.data(),
          offsets.data(), sentences()};
}

namespace {

lowbit_engine::policy engine_policy(const lowbit::canonical_model& m) {
  if (m.policy == "bibert") {
    return m.zero == "torch" ? lowbit_engine::policy::bibert
                             : lowbit_engine::policy::bibert_plus_one;
  }
  if (m.policy == "bit") return lowbit_engine::policy::bit;
  return m.config.activation == lowbit::hidden_activation::relu ? lowbit_engine::policy::fp32_relu
                                                                : lowbit_engine::policy::fp32;
}

lowbit_engine::shape engine_shape(const lowbit::model_shape& s) {
  return {s.layers,    s.hidden,      s.heads,  s.intermediate,   s.vocabulary,
          s.positions, s.token_types, s.labels, s.layer_norm_eps, s.relu_before_classifier};
}

void run_on_pool(void* self, std::size_t tasks, void* task,
                 void (*call)(void*, std::size_t, std::size_t)) {
  static_cast<lowbit::thread_pool*>(self)->run(
      tasks, [&](std::size_t index, std::size_t worker) { call(task, index, worker); });
}

}  // namespace

result<session> session::start(lowbit::canonical_model model, const std::string& arch,
                               std::size_t threads) {
  const auto engine = find_engine(arch);
  if (!engine) return engine.status();
  session s(std::move(model));
  s.engine_ = *engine;
  s.policy_ = engine_policy(s.model_);
  s.engine_shape_ = engine_shape(s.model_.config.shape);
  std::vector<lowbit_engine::tensor> tensors;
  for (const lowbit::stored_tensor& t : s.model_.tensors()) {
    tensors.push_back(
        {t.name, t.data, t.type == lowbit::stored_type::u8, t.rank, {t.shape[0], t.shape[1]}});
  }
  s.packed_ = lowbit::aligned_buffer(s.engine_->model_bytes(s.policy_, s.engine_shape_));
  if (s.packed_.data() == nullptr)
    return status::error(errc::io_error, "out of memory for the packed weights");
  lowbit_engine::error why{};
  if (!s.engine_->load(s.policy_, s.engine_shape_, tensors.data(), tensors.size(), s.packed_.data(),
                       s.packed_.size(), why)) {
    return status::error(errc::malformed, why.text);
  }
  s.model_.release_pages();
  s.pool_ = std::make_unique<lowbit::thread_pool>(threads);
  return s;
}

result<session> session::open(const std::string& folder, const lowbit::load_options& options,
                              const std::string& arch, std::size_t threads) {
  auto model = lowbit::open_model(folder, options);
  if (!model) return model.status();
  for (const std::string& warning : model->warnings)
    std::cerr << "lowbit: warning: " << warning << '\n';
  auto s = start(*std::move(model), arch, threads);
  if (!s) return s.status().in(folder);
  return s;
}

result<std::vector<float>> session::run(const token_rows& rows,
                                        const lowbit_engine::observer* watch) {
  const lowbit_engine::batch batch = rows.view();
  const std::size_t needed =
      engine_->workspace_bytes(policy_, engine_shape_, batch, pool_->workers(), watch != nullptr);
  if (workspace_.size() < needed) {
    workspace_ = lowbit::aligned_buffer(needed);
    if (workspace_.data() == nullptr)
      return status::error(errc::io_error, "out of memory for the workspace");
  }
  std::vector<float> logits(batch.sentences * shape().labels);
  const lowbit_engine::executor threads{pool_->workers(), pool_.get(), run_on_pool};
  lowbit_engine::error why{};
  if (!engine_->run(policy_, packed_.data(), batch, workspace_.data(), workspace_.size(), threads,
                    watch, logits.data(), why)) {
    return status::error(errc::invalid_argument, why.text);
  }
  return logits;
}

std::string session::label(std::size_t i) const {
  const auto& labels = model_.config.labels;
  return i < labels.size() ? labels[i] : "LABEL_" + std::to_string(i);
}

}  // namespace lowbit_tool
