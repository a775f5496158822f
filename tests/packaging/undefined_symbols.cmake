# SPDX-License-Identifier: Apache-2.0
# cmake -D NM= -D OBJECT= -P undefined_symbols.cmake
# What the object asks of the linker is what every bare-metal toolchain has: copying memory, fma, square root, bit count.
cmake_minimum_required(VERSION 3.22)
execute_process(COMMAND ${NM} -u ${OBJECT} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[A-Za-z_][A-Za-z_0-9]*" symbols "${symbols}")
list(REMOVE_ITEM symbols U w memcpy memmove memset memcmp strlen fmaf sqrtf __popcountdi2 _GLOBAL_OFFSET_TABLE_)
if(symbols)
  message(FATAL_ERROR "${OBJECT} needs ${symbols}")
endif()
