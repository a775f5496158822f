// SPDX-License-Identifier: Apache-2.0
#include "session.hpp"

#include "messages.hpp"

namespace lowbit_tool {

using lowbit::result;
using lowbit::status;

std::size_t encoder_of(const lowbit::canonical_model& m) {
  return lowbit::find_policy(m.policy, m.zero).value().encoder;
}

result<session> session::start(lowbit::canonical_model model, const std::string& arch,
                               std::size_t threads) {
  LOWBIT_TRY_ASSIGN(auto runner, lowbit::dispatch_runner::make(std::move(model), arch, "--arch"));
  LOWBIT_TRY(runner.pack());
  LOWBIT_TRY_ASSIGN(auto pool, lowbit::thread_pool::start(threads));
  return session(std::move(runner), std::move(pool));
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

}  // namespace lowbit_tool
