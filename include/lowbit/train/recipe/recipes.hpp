// SPDX-License-Identifier: Apache-2.0
// Every recipe.
#pragma once

#include "lowbit/train/recipe/bibert.hpp"
#include "lowbit/train/recipe/binarybert.hpp"
#include "lowbit/train/recipe/bit.hpp"
#include "lowbit/train/recipe/finetune.hpp"
#include "lowbit/train/recipe/vocabulary.hpp"
