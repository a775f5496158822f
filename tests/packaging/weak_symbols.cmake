# SPDX-License-Identifier: Apache-2.0
# cmake -D NM= -D OBJECT= -P weak_symbols.cmake
# Every weak symbol of the object lies in lowbit's inline namespace of one instruction set.
cmake_minimum_required(VERSION 3.22)
execute_process(COMMAND ${NM} -C ${OBJECT} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE ";" "," symbols "${symbols}")
string(REPLACE "\n" ";" symbols "${symbols}")
list(FILTER symbols INCLUDE REGEX " [WVu] ")
# The address of the exception personality routine: data, the same in every object.
list(FILTER symbols EXCLUDE REGEX "DW\\.ref\\.__gxx_personality_v0")
set(outside ${symbols})
list(FILTER outside EXCLUDE REGEX " [WVu] [^(]*lowbit::isa_")
foreach(symbol IN LISTS outside)
  message("${OBJECT}: weak symbol outside lowbit: ${symbol}")
endforeach()
list(LENGTH symbols total)
if(outside)
  message(FATAL_ERROR "the linker may keep this copy for every instruction set")
endif()
message("${total} weak symbols, all of them in lowbit::isa_*")
