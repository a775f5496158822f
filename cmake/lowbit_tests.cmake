# SPDX-License-Identifier: Apache-2.0
# How tests are declared.

# Older CPUs, which QEMU emulates, and what they run of lowbit_archs.
set(lowbit_older_cpus "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64" AND NOT LOWBIT_SANITIZE)
  set(lowbit_older_cpus Nehalem Haswell)
  set(lowbit_archs_of_Nehalem scalar)
  set(lowbit_archs_of_Haswell scalar avx2)
  list(JOIN lowbit_archs "|" built)
  foreach(cpu IN LISTS lowbit_older_cpus)
    list(FILTER lowbit_archs_of_${cpu} INCLUDE REGEX "^(${built})$")
  endforeach()
endif()

# A test of code compiled for `arch`: it must run where this machine has that instruction set, and is shown as disabled
# where it has not.
function(lowbit_set_arch test arch)
  list(JOIN lowbit_cpu_archs "," required)
  set_property(TEST ${test} APPEND PROPERTY ENVIRONMENT LOWBIT_REQUIRE_ARCHS=${required})
  if(LOWBIT_SANITIZE)
    # Memory that cannot be had is for the test to see, as it is elsewhere.
    set_property(TEST ${test} APPEND PROPERTY ENVIRONMENT ASAN_OPTIONS=allocator_may_return_null=1)
  endif()
  if(NOT arch IN_LIST lowbit_cpu_archs)
    set_tests_properties(${test} PROPERTIES DISABLED ON)
  endif()
endfunction()

# lowbit_test_program(<name> [ARCH <arch>] SOURCES <source>...): lowbit_tests_<name>, with one CTest entry per source file,
# one for all cases tagged [slow] and, for `ctest -C long` alone, one for those tagged [.long].
function(lowbit_test_program name)
  cmake_parse_arguments(arg "" "ARCH" "SOURCES" ${ARGN})
  if(NOT arg_ARCH)
    set(arg_ARCH scalar)
  endif()
  set(program lowbit_tests_${name})
  set(timeout 1200)
  if(LOWBIT_SANITIZE)
    set(timeout 3600)
  endif()
  add_executable(${program} ${arg_SOURCES})
  target_compile_definitions(${program} PRIVATE LOWBIT_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/golden")
  target_compile_options(${program} PRIVATE ${lowbit_flags_${arg_ARCH}})
  target_link_libraries(${program} PRIVATE lowbit::io Catch2::Catch2WithMain lowbit_warnings)
  foreach(source IN LISTS arg_SOURCES)
    string(REGEX REPLACE "\\.cpp$" "" test ${source})
    get_filename_component(file ${test} NAME)
    # Catch2 turns the file name into a tag.
    add_test(NAME unit/${name}/${test} COMMAND ${program} --filenames-as-tags "[#${file}]~[slow]")
    lowbit_set_arch(unit/${name}/${test} ${arg_ARCH})
    set_tests_properties(unit/${name}/${test} PROPERTIES TIMEOUT ${timeout} LABELS ${name})
  endforeach()
  add_test(NAME unit/${name}/slow COMMAND ${program} --allow-running-no-tests "[slow]")
  lowbit_set_arch(unit/${name}/slow ${arg_ARCH})
  set_tests_properties(unit/${name}/slow PROPERTIES TIMEOUT 1200 LABELS "${name};slow")
  add_test(NAME unit/${name}/long CONFIGURATIONS long COMMAND ${program} --allow-running-no-tests "[.long]")
  lowbit_set_arch(unit/${name}/long ${arg_ARCH})
  set_tests_properties(unit/${name}/long PROPERTIES TIMEOUT 3600 LABELS "${name};slow")
endfunction()

# Builds a target that the default build leaves out. Only one such test at a time: they share the build folder.
function(lowbit_build_test test target)
  cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
  add_test(NAME ${test} COMMAND ${CMAKE_COMMAND} --build ${PROJECT_BINARY_DIR} --target ${target} --parallel ${cores} ${ARGN})
  set_tests_properties(${test} PROPERTIES RESOURCE_LOCK lowbit_build_folder PROCESSORS ${cores} TIMEOUT 1800)
endfunction()

# `lowbit verify` of one golden folder.
function(lowbit_golden_test model arch expected)
  set(folder ${PROJECT_SOURCE_DIR}/tests/golden/${model})
  set(test golden/${arch}/${model}/${expected})
  add_test(NAME ${test} COMMAND lowbit_program verify --model ${folder} --arch ${arch} --inputs ${folder}/inputs.json
           --expected ${folder}/${expected}.safetensors ${ARGN})
  lowbit_set_arch(${test} ${arch})
  set_tests_properties(${test} PROPERTIES TIMEOUT 120 LABELS golden)
endfunction()
