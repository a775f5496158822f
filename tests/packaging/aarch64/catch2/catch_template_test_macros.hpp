// SPDX-License-Identifier: Apache-2.0
// Typed cases are in the same header.
#pragma once

#include "catch_test_macros.hpp"
