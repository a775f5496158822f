// SPDX-License-Identifier: Apache-2.0
// Activation ranges of a float model on text, using the engine for this CPU.
#pragma once

#include "lowbit/io/activation_ranges.hpp"
#include "session.hpp"

namespace lowbit_tool {

/// The float model under q8bert or ibert, with ranges measured on the batches.
lowbit::result<lowbit::canonical_model> calibrate_and_encode(const lowbit::canonical_model& floats,
                                                             const std::string& policy,
                                                             const std::vector<token_rows>& text);

}  // namespace lowbit_tool
