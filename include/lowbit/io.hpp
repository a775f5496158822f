// SPDX-License-Identifier: Apache-2.0
// The encoder with file and text support: model folders, tokenizers, classification of text. Needs
// nlohmann-json and utf8proc (the CMake target lowbit::io).
#pragma once

#include "lowbit/lowbit.hpp"
#include "lowbit/pipeline/text_classifier.hpp"
