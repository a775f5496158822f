// SPDX-License-Identifier: Apache-2.0
#include "latency.hpp"

#include "lowbit/cost/measure.hpp"
#include "random_values.hpp"
#include "session.hpp"

namespace lowbit_train {

using lowbit::errc;
using lowbit::model_shape;
using lowbit::result;
using lowbit::status;
using lowbit_tool::session;

namespace {

result<session> start(model_shape shape, const std::string& policy, std::uint64_t* bytes) {
  if (shape.head == lowbit::head_kind::masked_lm) {
    shape.head = lowbit::head_kind::sequence;
    shape.labels = 2;
  }
  LOWBIT_TRY_ASSIGN(auto model, lowbit_tool::random_model(shape, policy, "", 1));
  if (bytes != nullptr) *bytes = model.bytes();
  return session::start(std::move(model), "", 1);
}

}  // namespace

result<latency> latency_meter::operator()(const model_shape& candidate,
                                          const model_shape& maximum) {
  if (options_.tokens == 0 || options_.tokens > candidate.positions) {
    return status::error(errc::invalid_argument, "--tokens is ", options_.tokens,
                         ", expected 1 to ", candidate.positions);
  }
  if (!maximum_) {
    LOWBIT_TRY_ASSIGN(auto started, start(maximum, options_.policy, nullptr));
    maximum_ = std::make_shared<session>(std::move(started));
  }
  latency out;
  LOWBIT_TRY_ASSIGN(auto runs, start(candidate, options_.policy, &out.bytes));
  lowbit_tool::token_rows rows;
  lowbit_tool::random_values random(1);
  rows.add(random.tokens(options_.tokens, candidate.vocabulary),
           std::vector<std::int32_t>(options_.tokens, 0));
  status failed;
  const auto contestant = [&failed, &rows](session& s) {
    return [&failed, &rows, &s] {
      if (const auto logits = s.run(rows); !logits) failed = logits.status();
    };
  };
  // Thread CPU time: load from other processes is not counted.
  const auto timings =
      lowbit::measure_interleaved({contestant(runs), contestant(*maximum_)},
                                  {options_.repetitions, 0.005, lowbit::thread_seconds, {}});
  if (!failed.ok()) return failed;
  out.seconds = timings[0].median;
  out.maximum_seconds = timings[1].median;
  return out;
}

}  // namespace lowbit_train
