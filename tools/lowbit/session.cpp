// SPDX-License-Identifier: Apache-2.0
#include "session.hpp"

#include "lowbit/arch/detect.hpp"
#include "messages.hpp"

namespace lowbit_tool {

using lowbit::errc;
using lowbit::result;
using lowbit::status;

namespace {

/// Those that are built, the best one first.
constexpr const lowbit_engine::engine* built_engines[] = {
#ifdef LOWBIT_HAS_ENGINE_AMX
    &lowbit_engine::engine_amx,
#endif
#ifdef LOWBIT_HAS_ENGINE_AVX512
    &lowbit_engine::engine_avx512,
#endif
#ifdef LOWBIT_HAS_ENGINE_AVX2
    &lowbit_engine::engine_avx2,
#endif
    &lowbit_engine::engine_scalar,
};

}  // namespace

std::vector<const lowbit_engine::engine*> usable_engines() {
  lowbit::enable_amx();  // where it is refused, cpu_runs says so
  std::vector<const lowbit_engine::engine*> usable;
  for (const auto* e : built_engines) {
    if (lowbit::cpu_runs(e->arch)) usable.push_back(e);
  }
  return usable;
}

result<const lowbit_engine::engine*> find_engine(const std::string& arch) {
  const auto usable = usable_engines();
  if (arch.empty()) return usable.front();
  for (const auto* e : usable) {
    if (arch == e->arch) return e;
  }
  for (const auto* e : built_engines) {
    if (arch == e->arch)
      return status::error(errc::unsupported, "--arch ", arch, ": this CPU does not run it");
  }
  for (const char* known : {"avx2", "avx512", "amx"}) {
    if (arch == known)
      return status::error(errc::unsupported, "--arch ", arch,
                           ": this program is built without it");
  }
  return status::error(errc::invalid_argument, "--arch is \"", arch,
                       "\", expected scalar, avx2, avx512 or amx");
}

void token_rows::add(const std::vector<std::int32_t>& sentence,
                     const std::vector<std::int32_t>& types) {
  ids.insert(ids.end(), sentence.begin(), sentence.end());
  type_ids.insert(type_ids.end(), types.begin(), types.end());
  offsets.push_back(static_cast<std::uint32_t>(ids.size()));
}

lowbit_engine::batch token_rows::view() const {
  return {ids.data(),
          type_ids.data(),
          positions.empty() ? nullptr : positions.data(),
          offsets.data(),
          sentences(),
          asked.data(),
          asked.size(),
          valid.empty() ? nullptr : valid.data()};
}

token_rows token_rows::padded() const {
  std::size_t longest = 0;
  for (std::size_t s = 0; s < sentences(); ++s)
    longest = std::max<std::size_t>(longest, offsets[s + 1] - offsets[s]);
  token_rows out;
  for (std::size_t s = 0; s < sentences(); ++s) {
    const std::size_t begin = offsets[s];
    const std::size_t length = offsets[s + 1] - begin;
    for (std::size_t j = 0; j < longest; ++j) {
      const bool real = j < length;
      out.ids.push_back(real ? ids[begin + j] : 0);
      out.type_ids.push_back(real ? type_ids[begin + j] : 0);
    }
    out.valid.push_back(static_cast<std::uint32_t>(length));
    out.offsets.push_back(static_cast<std::uint32_t>(out.ids.size()));
    for (const std::uint32_t row : asked) {
      if (row >= begin && row < begin + length)
        out.asked.push_back(static_cast<std::uint32_t>(s * longest + row - begin));
    }
  }
  return out;
}

lowbit_engine::policy engine_policy(const lowbit::canonical_model& m) {
  using lowbit_engine::policy;
  const bool relu = m.config.activation == lowbit::hidden_activation::relu;
  const auto named = lowbit::find_policy(m.policy);  // checked when the model was opened
  switch (named ? named->family : lowbit::policy_family::floats) {
    case lowbit::policy_family::floats:
      break;
    case lowbit::policy_family::integers:
      return relu ? policy::integers_relu : policy::integers;
    case lowbit::policy_family::static_integers:
      return policy::static_integers;
    case lowbit::policy_family::integer_only:
      return relu ? policy::ibert_relu : policy::ibert;
    case lowbit::policy_family::bibert:
      return m.zero == "torch" ? policy::bibert : policy::bibert_plus_one;
    case lowbit::policy_family::bit:
      return policy::bit;
    case lowbit::policy_family::quantized_bert: {
      struct entry {
        std::string_view name;
        policy gelu, relu;
      };
      constexpr entry entries[] = {
          {"ternarybert_w2a8", policy::ternarybert_w2a8, policy::ternarybert_w2a8},
          {"ternarybert_w2a4", policy::ternarybert_w2a4, policy::ternarybert_w2a4},
          {"binarybert_w2a8", policy::binarybert_w2a8, policy::binarybert_w2a8_relu},
          {"binarybert_w2a4", policy::binarybert_w2a4_gelu, policy::binarybert_w2a4},
          {"binarybert_w1a8", policy::binarybert_w1a8, policy::binarybert_w1a8_relu},
          {"binarybert_w1a4", policy::binarybert_w1a4_gelu, policy::binarybert_w1a4},
          {"binarybert_split_w1a8", policy::binarybert_split_w1a8,
           policy::binarybert_split_w1a8_relu},
          {"binarybert_split_w1a4", policy::binarybert_split_w1a4_gelu,
           policy::binarybert_split_w1a4}};
      for (const entry& e : entries) {
        if (e.name == named->name) return relu ? e.relu : e.gelu;
      }
      break;
    }
  }
  return relu ? policy::floats_relu : policy::floats;
}

lowbit_engine::shape engine_shape(const lowbit::model_shape& s) {
  return {s.layers,
          s.hidden,
          s.heads,
          s.intermediate,
          s.vocabulary,
          s.positions,
          s.token_types,
          s.labels,
          s.layer_norm_eps,
          s.relu_before_classifier,
          static_cast<lowbit_engine::head>(s.head),
          s.attention};
}

std::vector<lowbit_engine::tensor> engine_tensors(const lowbit::canonical_model& m) {
  std::vector<lowbit_engine::tensor> tensors;
  for (const lowbit::stored_tensor& t : m.tensors()) {
    tensors.push_back({t.name,
                       t.data,
                       static_cast<lowbit_engine::element>(t.type),
                       t.rank,
                       {t.shape[0], t.shape[1]}});
  }
  return tensors;
}

lowbit_engine::executor executor_of(lowbit::thread_pool& pool) {
  const auto run = [](void* self, std::size_t tasks, void* task,
                      void (*call)(void*, std::size_t, std::size_t)) {
    static_cast<lowbit::thread_pool*>(self)->run(
        tasks, [&](std::size_t index, std::size_t worker) { call(task, index, worker); });
  };
  return {pool.workers(), &pool, run};
}

result<session> session::start(lowbit::canonical_model model, const std::string& arch,
                               std::size_t threads) {
  const auto engine = find_engine(arch);
  if (!engine) return engine.status();
  session s(std::move(model));
  s.policy_ = engine_policy(s.model_);
  s.engine_ = (*engine)->computes(s.policy_) ? *engine : (*engine)->below;
  s.engine_shape_ = engine_shape(s.model_.config.shape);
  const auto named = lowbit::find_policy(s.model_.policy);
  s.pads_ = named && lowbit::needs_padding(named->family);
  const std::vector<lowbit_engine::tensor> tensors = engine_tensors(s.model_);
  s.packed_ = lowbit::aligned_buffer(
      s.engine_->model_bytes(s.policy_, s.engine_shape_, tensors.data(), tensors.size()));
  if (s.packed_.data() == nullptr)
    return status::error(errc::io_error, "out of memory for the packed weights");
  s.model_.release_pages();  // what the checks of opening touched
  lowbit_engine::error why{};
  if (!s.engine_->load(s.policy_, s.engine_shape_, tensors.data(), tensors.size(), s.packed_.data(),
                       s.packed_.size(), why)) {
    return status::error(static_cast<errc>(why.code), why.text);
  }
  s.model_.release_pages();
  auto pool = lowbit::thread_pool::start(threads);
  if (!pool) return pool.status();
  s.pool_ = *std::move(pool);
  return s;
}

result<session> session::open(const std::string& folder, const lowbit::load_options& options,
                              const std::string& arch, std::size_t threads,
                              std::optional<lowbit::head_kind> wanted) {
  auto model = lowbit::open_model(folder, options);
  if (!model) return model.status();
  if (wanted) LOWBIT_TRY(lowbit::check_head(model->config, *wanted).in(folder));
  for (const std::string& warning : model->warnings) warn(warning);
  auto s = start(*std::move(model), arch, threads);
  if (!s) return s.status().in(folder);
  return s;
}

result<std::vector<float>> session::run(const token_rows& rows,
                                        const lowbit_engine::observer* watch) {
  if (pads_ && rows.valid.empty()) return run_padded(rows, watch);
  const lowbit_engine::batch batch = rows.view();
  LOWBIT_TRY(reserve(batch, watch != nullptr));
  const lowbit_engine::extents out = engine_->output(policy_, engine_shape_, batch);
  std::vector<float> values(out.rows * out.cols);
  const lowbit_engine::executor threads = executor_of(*pool_);
  lowbit_engine::error why{};
  if (!engine_->run(policy_, engine_shape_, packed_.data(), batch, workspace_.data(),
                    workspace_.size(), threads, watch, values.data(), why)) {
    return status::error(static_cast<errc>(why.code), why.text);
  }
  return values;
}

result<std::vector<float>> session::run_padded(const token_rows& rows,
                                               const lowbit_engine::observer* watch) {
  const token_rows padded = rows.padded();
  auto values = run(padded, watch);
  const lowbit_engine::extents out = engine_->output(policy_, engine_shape_, padded.view());
  if (!values || out.rows != padded.ids.size() || out.rows == rows.ids.size()) return values;
  std::vector<float> kept;  // one row per token: those of padding go
  for (std::size_t s = 0; s < padded.sentences(); ++s) {
    const auto* first = values->data() + padded.offsets[s] * out.cols;
    kept.insert(kept.end(), first, first + padded.valid[s] * out.cols);
  }
  return kept;
}

status session::reserve(const lowbit_engine::batch& batch, bool observed) {
  const std::size_t needed =
      engine_->workspace_bytes(policy_, engine_shape_, batch, pool_->workers(), observed);
  if (workspace_.size() < needed) {
    workspace_ = lowbit::aligned_buffer(needed);
    if (workspace_.data() == nullptr)
      return status::error(errc::io_error, "out of memory for the workspace");
  }
  return {};
}

status session::run_layer(std::size_t index, const token_rows& rows, std::vector<float>& hidden) {
  const lowbit_engine::batch batch = rows.view();
  LOWBIT_TRY(reserve(batch, false));
  const lowbit_engine::executor threads = executor_of(*pool_);
  lowbit_engine::error why{};
  if (!engine_->run_layer(policy_, engine_shape_, packed_.data(), index, batch, workspace_.data(),
                          workspace_.size(), threads, hidden.data(), why)) {
    return status::error(static_cast<errc>(why.code), why.text);
  }
  return {};
}

}  // namespace lowbit_tool
