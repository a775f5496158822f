# SPDX-License-Identifier: Apache-2.0
# The program: it refuses bad input in one line, and answers with the same bits however it is run.
find_program(LOWBIT_BASH bash)
if(LOWBIT_BASH)
  list(JOIN lowbit_cpu_archs "|" runs)
  set(program $<TARGET_FILE:lowbit_program> ${PROJECT_SOURCE_DIR}/tests)
  add_test(NAME program/bad_input COMMAND ${LOWBIT_BASH} ${CMAKE_CURRENT_LIST_DIR}/bad_input.sh ${program})
  add_test(NAME program/help COMMAND ${LOWBIT_BASH} ${CMAKE_CURRENT_LIST_DIR}/help.sh $<TARGET_FILE:lowbit_program>)
  add_test(NAME program/streams COMMAND ${LOWBIT_BASH} ${CMAKE_CURRENT_LIST_DIR}/streams.sh ${program})
  if(LOWBIT_SANITIZE)  # its shadow memory is beyond any limit
    set_tests_properties(program/bad_input program/streams PROPERTIES ENVIRONMENT LOWBIT_NO_MEMORY_LIMITS=1)
  endif()
  set(archs ${lowbit_archs})
  list(FILTER archs INCLUDE REGEX "^(${runs})$")
  add_test(NAME program/same_bits COMMAND ${LOWBIT_BASH} ${CMAKE_CURRENT_LIST_DIR}/same_bits.sh ${program} ${archs})
  set(models ${PROJECT_SOURCE_DIR}/models)
  if(EXISTS ${models}/clinc150-fp32 AND EXISTS ${models}/clinc150-bibert)
    add_test(NAME program/compare COMMAND lowbit_program compare -m ${models}/clinc150-fp32 -m ${models}/clinc150-bibert
             --data ${models}/sentences.tsv --repetitions 1 "wake me up at seven")
  endif()
endif()
