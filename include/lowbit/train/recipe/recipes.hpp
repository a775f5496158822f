// SPDX-License-Identifier: Apache-2.0
// All recipes.
#pragma once

#include "lowbit/train/recipe/augment.hpp"
#include "lowbit/train/recipe/bibert.hpp"
#include "lowbit/train/recipe/binarybert.hpp"
#include "lowbit/train/recipe/bit.hpp"
#include "lowbit/train/recipe/distill.hpp"
#include "lowbit/train/recipe/finetune.hpp"
#include "lowbit/train/recipe/pretrain.hpp"
#include "lowbit/train/recipe/prune.hpp"
#include "lowbit/train/recipe/qat.hpp"
#include "lowbit/train/recipe/search.hpp"
#include "lowbit/train/recipe/theseus.hpp"
#include "lowbit/train/recipe/vocabulary.hpp"
