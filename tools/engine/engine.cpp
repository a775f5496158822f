// SPDX-License-Identifier: Apache-2.0
// Compiled once per instruction set; LOWBIT_ENGINE names the table.
#include "engine.hpp"

#include <cstdlib>
#include <new>

#include "lowbit/model/classifier.hpp"

namespace lowbit_engine {
namespace {

using lowbit::native;

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
};

lowbit::model_shape convert(const shape& s) {
  return {s.layers,    s.hidden,      s.heads,  s.intermediate,   s.vocabulary,
          s.positions, s.token_types, s.labels, s.layer_norm_eps, s.relu_before_classifier};
}

lowbit::token_input convert(const batch& b) {
  return {b.ids, b.type_ids, b.positions, {b.offsets, b.sentences}};
}

bool report(const lowbit::status& s, error& why) {
  const std::size_t n =
      s.message().size() < sizeof why.text ? s.message().size() : sizeof why.text - 1;
  std::memcpy(why.text, s.message().data(), n);
  why.text[n] = '\0';
  return s.ok();
}

/// function(type_identity<classifier<P>>) for the policy's classifier.
template <class Function>
auto with_classifier(policy p, Function function) {
  namespace policies = lowbit::policy;
  switch (p) {
    case policy::fp32_relu:
      return function(std::type_identity<lowbit::classifier<policies::fp32_relu, native>>{});
    case policy::bibert:
      return function(std::type_identity<lowbit::classifier<policies::bibert, native>>{});
    case policy::bibert_plus_one:
      return function(std::type_identity<lowbit::classifier<policies::bibert_plus_one, native>>{});
    case policy::bit:
      return function(std::type_identity<lowbit::classifier<policies::bit, native>>{});
    case policy::fp32:
      break;
  }
  return function(std::type_identity<lowbit::classifier<policies::fp32, native>>{});
}

constexpr std::size_t header_bytes(std::size_t object) {
  return lowbit::round_up(object, lowbit::buffer_alignment);
}

std::size_t model_bytes(policy p, const shape& s) {
  return with_classifier(p, [&]<class Model>(std::type_identity<Model>) {
    return header_bytes(sizeof(Model)) + Model::model_bytes(convert(s));
  });
}

bool load(policy p, const shape& s, const tensor* tensors, std::size_t count, std::byte* memory,
          std::size_t bytes, error& why) {
  return with_classifier(p, [&]<class Model>(std::type_identity<Model>) {
    const std::size_t header = header_bytes(sizeof(Model));
    auto* stored = static_cast<lowbit::stored_tensor*>(
        std::malloc((count + 1) * sizeof(lowbit::stored_tensor)));
    if (stored == nullptr)
      return report(lowbit::status::error(lowbit::errc::io_error, "out of memory"), why);
    for (std::size_t i = 0; i < count; ++i) {
      const tensor& t = tensors[i];
      stored[i] = {t.name,
                   t.data,
                   t.bytes ? lowbit::stored_type::u8 : lowbit::stored_type::f32,
                   t.rank,
                   {t.extents[0], t.extents[1]}};
    }
    lowbit::arena space(memory + header, bytes - header);
    auto* model = new (memory) Model;
    const lowbit::status done = model->load(space, {stored, count}, convert(s));
    std::free(stored);
    return report(done, why);
  });
}

std::size_t workspace_bytes(policy p, const shape& s, const batch& b, std::size_t workers,
                            bool observed) {
  return with_classifier(p, [&]<class Model>(std::type_identity<Model>) {
    const lowbit::batch_limits limits = Model::limits_of(convert(b).batch, workers);
    if (observed) return Model::template workspace_bytes<true>(convert(s), limits);
    return Model::template workspace_bytes<false>(convert(s), limits);
  });
}

bool run(policy p, const std::byte* memory, const batch& b, std::byte* workspace, std::size_t bytes,
         const executor& pool, const observer* watch, float* logits, error& why) {
  return with_classifier(p, [&]<class Model>(std::type_identity<Model>) {
    const auto& model = *reinterpret_cast<const Model*>(memory);
    const std::size_t labels = model.shape().labels;
    const lowbit::matrix_view<float> out{logits, b.sentences, labels, labels};
    if (watch != nullptr) {
      lowbit::serial here;
      return report(model.run(convert(b), workspace, bytes, out, here, watcher{*watch}), why);
    }
    threads executor{pool};
    return report(model.run(convert(b), workspace, bytes, out, executor), why);
  });
}

}  // namespace

extern const engine LOWBIT_ENGINE;
const engine LOWBIT_ENGINE = {native::name, model_bytes, load, workspace_bytes, run};

}  // namespace lowbit_engine
