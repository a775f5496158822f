// SPDX-License-Identifier: Apache-2.0
#include "calibrate.hpp"

#include "lowbit/io/import_integer.hpp"
#include "lowbit/io/import_static.hpp"

namespace lowbit_tool {

using lowbit::result;

namespace {

lowbit::run_observer watch(lowbit::range_observer& to) {
  using rows = lowbit::run_observer::rows;
  lowbit::run_observer observer{&to};
  observer.hidden = [](void* self, std::size_t index, rows values) {
    static_cast<lowbit::range_observer*>(self)->hidden(index, values);
  };
  observer.site = [](void* self, std::size_t layer, std::size_t site, rows values) {
    static_cast<lowbit::range_observer*>(self)->site(
        layer, static_cast<lowbit::activation_site>(site), values);
  };
  return observer;
}

}  // namespace

result<lowbit::canonical_model> calibrate_and_encode(const lowbit::canonical_model& floats,
                                                     const std::string& policy,
                                                     const std::vector<token_rows>& text) {
  LOWBIT_TRY_ASSIGN(auto copy, lowbit::encode_model(floats, *lowbit::find_policy("fp32")));
  LOWBIT_TRY_ASSIGN(auto model, session::start(std::move(copy), {}, 1));
  lowbit::activation_ranges ranges(floats.config.shape.layers);
  lowbit::range_observer observer(ranges);
  const lowbit::run_observer engine_observer = watch(observer);
  for (const token_rows& rows : text) {
    LOWBIT_TRY_ASSIGN(const auto done, model.run(rows, &engine_observer));
  }
  return policy == lowbit::policy::ibert::name ? lowbit::import_integer(floats, ranges)
                                               : lowbit::import_static(floats, ranges);
}

}  // namespace lowbit_tool
