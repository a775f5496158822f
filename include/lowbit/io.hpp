// SPDX-License-Identifier: Apache-2.0
// The encoder with files and text: model folders, tokenizers, text in and answers out. Needs
// nlohmann-json and utf8proc (the CMake target lowbit::io).
#pragma once

#include "lowbit/io/text_classifier.hpp"
#include "lowbit/lowbit.hpp"
