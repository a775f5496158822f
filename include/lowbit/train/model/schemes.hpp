// SPDX-License-Identifier: Apache-2.0
// The training scheme of a model folder, from what its config.json says.
#pragma once

#include <filesystem>
#include <memory>

#include "lowbit/core/status.hpp"
#include "lowbit/io/config.hpp"
#include "lowbit/train/model/bibert.hpp"
#include "lowbit/train/model/scheme.hpp"

namespace lowbit::train {

/// Errors: unsupported for a scheme that only the runtime knows
inline result<scheme_ptr> scheme_of(const model_config& config,
                                    const std::filesystem::path& folder) {
  const bool relu = config.activation == hidden_activation::relu;
  switch (config.recognised) {
    case lowbit::scheme::fp32:
      return scheme_ptr(std::make_shared<float_scheme>(relu));
    case lowbit::scheme::bibert:
      return scheme_ptr(std::make_shared<bibert_scheme>());
    default:
      return status::error(errc::unsupported, folder.native(), ": a ",
                           scheme_name(config.recognised),
                           " model, which cannot be trained or taught from here");
  }
}

}  // namespace lowbit::train
