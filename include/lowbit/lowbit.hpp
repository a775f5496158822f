// SPDX-License-Identifier: Apache-2.0
// The encoder: policies, models, heads and executors. Needs only xsimd, and not even that with
// LOWBIT_HOSTED=0. For files and text see lowbit/io.hpp.
#pragma once

#include "lowbit/core/thread_pool.hpp"
#include "lowbit/gemm/reference.hpp"
#include "lowbit/model/heads.hpp"
#include "lowbit/policy/per_layer.hpp"
#include "lowbit/policy/quantized.hpp"

#if LOWBIT_HOSTED
#include "lowbit/arch/detect.hpp"
#endif
