# SPDX-License-Identifier: Apache-2.0
# cmake -D COMPILER= -D SOURCE= -D INCLUDES=a|b -P compile_fail.cmake
# The source compiles as it stands; with -DBAD it fails, with the message of its line "// expect: MESSAGE".
cmake_minimum_required(VERSION 3.22)
file(STRINGS ${SOURCE} expected REGEX "^// expect: ")
string(REGEX REPLACE "^// expect: " "" expected "${expected}")
if(expected STREQUAL "")
  message(FATAL_ERROR "${SOURCE}: has no line \"// expect: MESSAGE\"")
endif()
string(REPLACE "|" ";-I" includes "${INCLUDES}")
set(command ${COMPILER} -std=c++20 -fsyntax-only -I${includes} ${SOURCE})

execute_process(COMMAND ${command} RESULT_VARIABLE code ERROR_VARIABLE errors)
if(NOT code EQUAL 0)
  message(FATAL_ERROR "${SOURCE}: the good twin does not compile\n${errors}")
endif()
execute_process(COMMAND ${command} -DBAD RESULT_VARIABLE code ERROR_VARIABLE errors)
if(code EQUAL 0)
  message(FATAL_ERROR "${SOURCE}: compiles with -DBAD")
endif()
string(FIND "${errors}" "${expected}" at)
if(at EQUAL -1)
  message(FATAL_ERROR "${SOURCE}: no \"${expected}\" among the errors\n${errors}")
endif()
