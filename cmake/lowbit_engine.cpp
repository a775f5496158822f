// SPDX-License-Identifier: Apache-2.0
// The engine of one instruction set: lowbit_add_engine() compiles this file once for each.
#include "lowbit/dispatch/engine_code.hpp"

#ifdef LOWBIT_ENGINE_BELOW
#define LOWBIT_BELOW &LOWBIT_ENGINE_BELOW
#define LOWBIT_HAS_BELOW true
#else
#define LOWBIT_BELOW nullptr
#define LOWBIT_HAS_BELOW false
#endif

namespace lowbit {

using code = engine_code<LOWBIT_ENGINE_ARCH>;
static_assert(code::bytes_only == LOWBIT_HAS_BELOW,
              "an engine that has not every encoder stands on one that has");

extern const engine LOWBIT_ENGINE;
const engine LOWBIT_ENGINE = {LOWBIT_ENGINE_ARCH::name, code::has,  LOWBIT_BELOW,
                              code::model_bytes,        code::load, code::output,
                              code::workspace_bytes,    code::run,  code::run_layer};

}  // namespace lowbit
