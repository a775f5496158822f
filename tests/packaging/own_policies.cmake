# SPDX-License-Identifier: Apache-2.0
# cmake -D SOURCE= -D BUILD= -D GENERATOR= -D "OPTIONS=" -D JOBS= -P own_policies.cmake
# The program as examples/own_policies.hpp says that it is built with that header. What costs time is left out: one
# instruction set, no optimization, each target's sources in one piece.
cmake_minimum_required(VERSION 3.22)
execute_process(COMMAND ${CMAKE_COMMAND} --preset release -DLOWBIT_POLICIES=examples/own_policies.hpp -B ${BUILD}
                        -G ${GENERATOR} ${OPTIONS} -DLOWBIT_ARCHS=scalar "-DCMAKE_CXX_FLAGS_RELEASE=-O0 -DNDEBUG"
                        -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=0 -DLOWBIT_BUILD_TRAIN=OFF
                        -DLOWBIT_BUILD_TESTS=OFF -DLOWBIT_BUILD_EXAMPLES=OFF -DLOWBIT_BUILD_BENCH=OFF
                WORKING_DIRECTORY ${SOURCE} COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${BUILD} --target lowbit_program --parallel ${JOBS}
                COMMAND_ERROR_IS_FATAL ANY)
