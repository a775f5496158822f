# SPDX-License-Identifier: Apache-2.0
# cmake -D COMPILER= -D INCLUDE= -D ARCH= -D FLAGS= -D OWN= -P arch_features.cmake
# A translation unit with all FLAGS has the tag ARCH; without one of OWN it has not.
cmake_minimum_required(VERSION 3.22)

function(expect compiled)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/arch_features_${ARCH}.cpp)
  file(WRITE ${source} "#include \"lowbit/arch/tags.hpp\"\nstatic_assert(lowbit::${ARCH}::compiled == ${compiled});\n")
  execute_process(COMMAND ${COMPILER} -std=c++20 -fsyntax-only -I${INCLUDE} ${ARGN} ${source}
                  RESULT_VARIABLE failed ERROR_VARIABLE text)
  if(failed)
    message(FATAL_ERROR "${ARCH}::compiled is not ${compiled} with ${ARGN}:\n${text}")
  endif()
endfunction()

expect(true ${FLAGS})
foreach(flag IN LISTS OWN)
  if(flag STREQUAL "-march=armv8-a")
    set(without -march=armv8-a+nosimd)
  elseif(flag MATCHES "^(-march=.*)\\+([a-z0-9]+)$")  # on Arm one flag says everything: without its last feature
    set(without ${CMAKE_MATCH_1}+no${CMAKE_MATCH_2})
  else()
    string(REGEX REPLACE "^-m" "-mno-" without "${flag}")
  endif()
  expect(false ${FLAGS} ${without})
endforeach()
