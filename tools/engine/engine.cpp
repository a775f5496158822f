// SPDX-License-Identifier: Apache-2.0
// Compiled once per instruction set: LOWBIT_ENGINE names the table, LOWBIT_ENGINE_ARCH the tag.
#include "engine.hpp"

#include <cstdlib>
#include <new>

#include "lowbit/model/heads.hpp"
#include "policies.hpp"

namespace lowbit_engine {
namespace {

using arch = lowbit::LOWBIT_ENGINE_ARCH;

/// Tiles multiply bytes: what does not compute with them (or, as TernaryBERT and BinaryBERT, is
/// rarely asked for) is left to the AVX-512 engine, which takes minutes to compile as it is.
constexpr bool bytes_only = std::is_same_v<arch, lowbit::amx>;

bool computes(policy p) {
  switch (p) {
    case policy::integers:
    case policy::integers_relu:
    case policy::static_integers:
    case policy::ibert:
    case policy::ibert_relu:
      return true;
    default:
      return !bytes_only;
  }
}

static_assert(static_cast<int>(head::cls_embedding) ==
              static_cast<int>(lowbit::head_kind::cls_embedding));
static_assert(static_cast<int>(element::bf16) == static_cast<int>(lowbit::stored_type::bf16));

struct threads {
  const executor& pool;
  [[nodiscard]] std::size_t workers() const { return pool.workers; }
  template <class Task>
  void run(std::size_t tasks, Task task) {
    if (pool.workers == 1 || tasks <= 1) {
      lowbit::serial::run(tasks, task);
      return;
    }
    pool.run(pool.self, tasks, &task, [](void* self, std::size_t index, std::size_t worker) {
      (*static_cast<Task*>(self))(index, worker);
    });
  }
};

struct watcher {
  static constexpr bool enabled = true;
  const observer& to;
  std::size_t layer = 0;

  static rows plain(lowbit::matrix_view<const float> m) {
    return {m.data, m.rows, m.cols, m.stride};
  }
  void hidden(std::size_t index, lowbit::matrix_view<const float> m) const {
    to.hidden(to.self, index, plain(m));
  }
  void scores(const lowbit::query_span& span, std::size_t head,
              lowbit::matrix_view<const float> m) const {
    to.scores(to.self, layer, span.sentence, span.first, head, plain(m));
  }
  void context(const lowbit::query_span& span, std::size_t head,
               lowbit::matrix_view<const float> m) const {
    to.context(to.self, layer, span.sentence, span.first, head, plain(m));
  }
  void pooled(lowbit::matrix_view<const float> m) const { to.pooled(to.self, plain(m)); }
  void site(std::size_t index, lowbit::activation_site at,
            lowbit::matrix_view<const float> m) const {
    if (to.site != nullptr) to.site(to.self, index, static_cast<std::size_t>(at), plain(m));
  }
};

lowbit::model_shape convert(const shape& s) {
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
          static_cast<lowbit::head_kind>(s.task),
          s.attention};
}

lowbit::token_input convert(const batch& b) {
  return {
      b.ids, b.type_ids, b.positions, {b.offsets, b.sentences, b.valid}, {b.asked, b.asked_count}};
}

LOWBIT_NOINLINE bool report(const lowbit::status& s, error& why) {
  const std::size_t n =
      s.message().size() < sizeof why.text ? s.message().size() : sizeof why.text - 1;
  std::memcpy(why.text, s.message().data(), n);
  why.text[n] = '\0';
  why.code = static_cast<std::uint8_t>(s.code());
  return s.ok();
}

/// function(type_identity<P>) for a policy that this engine computes.
template <class Function>
auto with_policy(policy p, Function function) {
  LOWBIT_EXPECTS(computes(p));
  if constexpr (bytes_only) {
    return with_integer_policy(p, function);
  } else {
    return with_every_policy(p, function);
  }
}

/// function(type_identity<model>) for the policy and the head. The encoder's code exists once per
/// policy, whatever stands on it.
template <class Function>
auto with_model(policy p, head task, Function function) {
  return with_policy(p, [&]<class Policy>(std::type_identity<Policy>) {
    switch (task) {
      case head::token:
        return function(std::type_identity<lowbit::token_classifier<Policy, arch>>{});
      case head::span:
        return function(std::type_identity<lowbit::span_extractor<Policy, arch>>{});
      case head::masked_lm:
        return function(std::type_identity<lowbit::masked_lm<Policy, arch>>{});
      case head::mean_embedding:
        return function(std::type_identity<lowbit::mean_embedder<Policy, arch>>{});
      case head::cls_embedding:
        return function(std::type_identity<lowbit::cls_embedder<Policy, arch>>{});
      case head::sequence:
        break;
    }
    return function(std::type_identity<lowbit::classifier<Policy, arch>>{});
  });
}

constexpr std::size_t header_bytes(std::size_t object) {
  return lowbit::round_up(object, lowbit::buffer_alignment);
}

/// The tensors as lowbit's, in memory from malloc: a standard container would leave weak symbols.
class stored_tensors {
 public:
  LOWBIT_COLD stored_tensors(const tensor* tensors, std::size_t count)
      : data_(static_cast<lowbit::stored_tensor*>(
            std::malloc((count + 1) * sizeof(lowbit::stored_tensor)))),
        count_(data_ == nullptr ? 0 : count) {
    for (std::size_t i = 0; i < count_; ++i) {
      const tensor& t = tensors[i];
      data_[i] = {t.name,
                  t.data,
                  static_cast<lowbit::stored_type>(t.type),
                  t.rank,
                  {t.extents[0], t.extents[1]}};
    }
  }
  ~stored_tensors() { std::free(data_); }
  stored_tensors(const stored_tensors&) = delete;
  stored_tensors& operator=(const stored_tensors&) = delete;

  [[nodiscard]] bool ok() const { return data_ != nullptr; }
  [[nodiscard]] lowbit::weight_set weights() const { return {data_, count_}; }

 private:
  lowbit::stored_tensor* data_;
  std::size_t count_;
};

std::size_t model_bytes(policy p, const shape& s, const tensor* tensors, std::size_t count) {
  return with_model(p, s.task, [&]<class Model>(std::type_identity<Model>) {
    const stored_tensors stored(tensors, count);
    return header_bytes(sizeof(Model)) + Model::model_bytes(stored.weights(), convert(s));
  });
}

bool load(policy p, const shape& s, const tensor* tensors, std::size_t count, std::byte* memory,
          std::size_t bytes, error& why) {
  return with_model(p, s.task, [&]<class Model>(std::type_identity<Model>) {
    const std::size_t header = header_bytes(sizeof(Model));
    const stored_tensors stored(tensors, count);
    if (!stored.ok())
      return report(lowbit::status::error(lowbit::errc::io_error, "out of memory"), why);
    lowbit::arena space(memory + header, bytes - header);
    auto* model = new (memory) Model;
    return report(model->load(space, stored.weights(), convert(s)), why);
  });
}

extents output(policy p, const shape& s, const batch& b) {
  return with_model(p, s.task, [&]<class Model>(std::type_identity<Model>) {
    return extents{Model::head::output_rows(convert(b)), Model::head::output_cols(convert(s))};
  });
}

std::size_t workspace_bytes(policy p, const shape& s, const batch& b, std::size_t workers,
                            bool observed) {
  return with_model(p, s.task, [&]<class Model>(std::type_identity<Model>) {
    const lowbit::batch_limits limits = Model::limits_of(convert(b).batch, workers);
    if (observed) return Model::template workspace_bytes<true>(convert(s), limits);
    return Model::template workspace_bytes<false>(convert(s), limits);
  });
}

bool run(policy p, const shape& s, const std::byte* memory, const batch& b, std::byte* workspace,
         std::size_t bytes, const executor& pool, const observer* watch, float* values,
         error& why) {
  return with_model(p, s.task, [&]<class Model>(std::type_identity<Model>) {
    const auto& model = *reinterpret_cast<const Model*>(memory);
    const lowbit::token_input in = convert(b);
    const std::size_t cols = Model::head::output_cols(model.shape());
    const lowbit::matrix_view<float> out{values, Model::head::output_rows(in), cols, cols};
    if (watch != nullptr) {
      lowbit::serial here;
      return report(model.run(in, workspace, bytes, out, here, watcher{*watch}), why);
    }
    threads executor{pool};
    return report(model.run(in, workspace, bytes, out, executor), why);
  });
}

bool run_layer(policy p, const shape& s, const std::byte* memory, std::size_t index, const batch& b,
               std::byte* workspace, std::size_t bytes, const executor& pool, float* hidden,
               error& why) {
  return with_model(p, s.task, [&]<class Model>(std::type_identity<Model>) {
    const auto& model = *reinterpret_cast<const Model*>(memory);
    const lowbit::token_input in = convert(b);
    threads executor{pool};
    return report(model.run_layer(index, in.batch, workspace, bytes,
                                  {hidden, in.batch.tokens(), s.hidden, s.hidden}, executor),
                  why);
  });
}

}  // namespace

#ifdef LOWBIT_ENGINE_BELOW
constexpr const engine* below = &LOWBIT_ENGINE_BELOW;
static_assert(bytes_only);
#else
constexpr const engine* below = nullptr;
static_assert(!bytes_only);
#endif

extern const engine LOWBIT_ENGINE;
const engine LOWBIT_ENGINE = {arch::name, computes,        below, model_bytes, load,
                              output,     workspace_bytes, run,   run_layer};

}  // namespace lowbit_engine
