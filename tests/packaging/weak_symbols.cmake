# SPDX-License-Identifier: Apache-2.0
# cmake -D NM= -D OBJECT= -P weak_symbols.cmake
# The name of every weak symbol of the object has lowbit's inline namespace of one instruction set in it. Names are read
# mangled: no demangler knows all that compilers write, and whole mangled names are what the linker merges.
cmake_minimum_required(VERSION 3.22)
execute_process(COMMAND ${NM} ${OBJECT} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE ";" "," symbols "${symbols}")
string(REPLACE "\n" ";" symbols "${symbols}")
list(FILTER symbols INCLUDE REGEX " [WVu] ")
# The address of the exception personality routine: data, the same in every object.
list(FILTER symbols EXCLUDE REGEX "DW\\.ref\\.__gxx_personality_v0")
set(outside ${symbols})
list(FILTER outside EXCLUDE REGEX " [WVu] _Z.*6lowbit[0-9]+isa_")
foreach(symbol IN LISTS outside)
  message("${OBJECT}: weak symbol outside lowbit: ${symbol}")
endforeach()
list(LENGTH symbols total)
if(outside)
  message(FATAL_ERROR "the linker may keep this copy for every instruction set")
endif()
message("${total} weak symbols, all of them in lowbit::isa_*")
