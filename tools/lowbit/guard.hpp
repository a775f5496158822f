// SPDX-License-Identifier: Apache-2.0
// What stands around the main() of a program: no exception, no missing descriptor and no signal
// makes it end without a message, with another exit code than it should, or with files left over.
#pragma once

namespace lowbit_tool {

/// Runs body(argc, argv) and returns its exit code; 1 after one line on standard error when
/// something was thrown. `name` begins the line. A signal that asks the program to stop does so at
/// once, or, while an output is unfinished, as soon as that is removed.
int run_guarded(const char* name, int (*body)(int, char**), int argc, char** argv) noexcept;

}  // namespace lowbit_tool
