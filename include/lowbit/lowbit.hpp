// SPDX-License-Identifier: Apache-2.0
// lowbit: binarized and quantized BERT encoders on CPUs. This header brings everything but the
// trainer.
#pragma once

#include "lowbit/core/thread_pool.hpp"
#include "lowbit/gemm/reference.hpp"
#include "lowbit/model/heads.hpp"
#include "lowbit/model/per_layer_encoder.hpp"
#include "lowbit/policy/quantized.hpp"

#if LOWBIT_HOSTED
#include "lowbit/arch/detect.hpp"
#include "lowbit/io/text_classifier.hpp"
#endif
