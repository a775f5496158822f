// SPDX-License-Identifier: Apache-2.0
// What the example needs of a board: text in and out over semihosting, and how much stack was used.
// With a UART, replace board.cpp.
#pragma once

#include <cstddef>
#include <string_view>

namespace board {

/// A line of standard input without its end, in memory that the next call overwrites; a longer one
/// than the buffer comes in parts. False at the end of the input.
bool read_line(std::string_view& line);
void write(std::string_view text);
/// The program's arguments, in the caller's memory.
std::string_view arguments(char* memory, std::size_t bytes);
[[noreturn]] void stop(int code);
/// The deepest stack so far, in bytes.
std::size_t stack_used();

}  // namespace board

/// The program's main function.
int classify();
