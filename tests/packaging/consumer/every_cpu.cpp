// SPDX-License-Identifier: Apache-2.0
// One program for every CPU: every_cpu MODEL POLICY encodes a float checkpoint for a policy of this
// program and runs it on the best engine that the CPU runs, or on the one that LOWBIT_ISA names.
// Prints the engine and the logits, all bits of them.
#include <cstdint>
#include <cstdio>
#include <lowbit/dispatch/dispatch.hpp>
#include <lowbit/io/model_folder.hpp>
#include <lowbit/tensor/arena.hpp>
#include <vector>

namespace {

lowbit::status run(const char* folder, const char* policy) {
  const auto engine = lowbit::find_engine("");
  if (!engine) return engine.status();
  const auto model = lowbit::open_model(folder, {.policy = policy, .zero = {}});
  if (!model) return model.status();
  const auto named = lowbit::find_policy(model->policy, model->zero);
  if (!named) return named.status();
  const std::size_t encoder = named->encoder;
  const lowbit::engine& e = (*engine)->has(encoder) ? **engine : *(*engine)->below;
  const lowbit::model_shape& shape = model->config.shape;

  const lowbit::weight_set weights = model->weights();
  lowbit::aligned_buffer packed(e.model_bytes(encoder, weights, shape));
  if (packed.data() == nullptr)
    return lowbit::status::error(lowbit::errc::io_error, "out of memory");
  LOWBIT_TRY(e.load(encoder, weights, shape, packed.data(), packed.size()));

  const std::int32_t ids[] = {2, 5, 6, 3, 2, 17, 40, 99, 7, 512, 3};  // two sentences
  const std::uint32_t offsets[] = {0, 4, 11};
  const lowbit::token_input in{ids, nullptr, nullptr, {offsets, 2}};
  auto pool = lowbit::thread_pool::start(2);
  if (!pool) return pool.status();
  lowbit::aligned_buffer workspace(e.workspace_bytes(encoder, shape, in.batch, 2, false));
  if (workspace.data() == nullptr)
    return lowbit::status::error(lowbit::errc::io_error, "out of memory");
  const lowbit::output_extents out = e.output(encoder, shape, in);
  std::vector<float> logits(out.rows * out.cols);
  LOWBIT_TRY(e.run(encoder, shape, packed.data(), in, workspace.data(), workspace.size(),
                   lowbit::threads_of(**pool), nullptr, logits.data()));

  std::printf("%s\n", e.arch);
  for (const float logit : logits) std::printf("%a\n", static_cast<double>(logit));
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "usage: every_cpu MODEL POLICY\n"), 2;
  const lowbit::status done = run(argv[1], argv[2]);
  if (done.ok()) return 0;
  const std::string_view message = done.message();
  std::fprintf(stderr, "%.*s\n", static_cast<int>(message.size()), message.data());
  return 1;
}
