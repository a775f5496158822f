// SPDX-License-Identifier: Apache-2.0
// Wrapper around the main() of a program: no exception, missing descriptor or signal makes it end
// without a message, with the wrong exit code, or with leftover files.
#pragma once

namespace lowbit_tool {

/// Runs body(argc, argv) and returns its exit code; on an exception, prints one line on standard
/// error, prefixed with `name`, and returns 1. A stop signal ends the program at once or, while an
/// output is unfinished, as soon as that has been removed.
int run_guarded(const char* name, int (*body)(int, char**), int argc, char** argv) noexcept;

}  // namespace lowbit_tool
