# SPDX-License-Identifier: Apache-2.0
# lowbit_add_engine(<target> [ARCHS <arch>...] [POLICIES <header>])
# A static library with the encoders of every named policy, compiled once per instruction set and reached through
# lowbit/dispatch/dispatch.hpp: one program for every CPU. Link one of them to a program.
#   ARCHS     tags of lowbit/arch/list.hpp in any order; default: all that the compiler knows (lowbit_archs). Without
#             scalar, find_engine() refuses a CPU that runs none of them
#   POLICIES  a header that defines lowbit::program_policies, for a list other than the library's
include(${CMAKE_CURRENT_LIST_DIR}/lowbit_archs.cmake)
set(lowbit_engine_source ${CMAKE_CURRENT_LIST_DIR}/lowbit_engine.cpp)

function(lowbit_add_engine target)
  cmake_parse_arguments(arg "" "POLICIES" "ARCHS" ${ARGN})
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "lowbit_add_engine(${target}): unknown argument ${arg_UNPARSED_ARGUMENTS}, expected ARCHS or POLICIES")
  endif()
  if(NOT arg_ARCHS)
    set(arg_ARCHS ${lowbit_archs})
  endif()
  # The last one is the best. The first one is linked first: engines built without optimization share weak symbols of the
  # standard library, and the copy that the linker keeps must run on every CPU.
  lowbit_order_archs(arg_ARCHS "lowbit_add_engine(${target})" ${arg_ARCHS})
  lowbit_each_arch(definitions LOWBIT_EACH_ENGINE ${arg_ARCHS})
  if(arg_POLICIES)
    get_filename_component(policies ${arg_POLICIES} ABSOLUTE)
    list(APPEND definitions LOWBIT_POLICIES="${policies}")
  endif()
  add_library(${target} STATIC)
  target_link_libraries(${target} PUBLIC lowbit::lowbit)
  target_compile_definitions(${target} PUBLIC ${definitions})
  foreach(arch IN LISTS arg_ARCHS)
    set(engine ${target}_${arch})
    add_library(${engine} OBJECT ${lowbit_engine_source})
    # The table of a tag of byte products has only what differs from the tag below.
    target_compile_definitions(${engine} PRIVATE ${definitions} LOWBIT_ENGINE=engine_${arch} LOWBIT_ENGINE_ARCH=${arch}
                               $<$<BOOL:${lowbit_bytes_only_${arch}}>:LOWBIT_ENGINE_BELOW=engine_${lowbit_below_${arch}}>)
    target_compile_options(${engine} PRIVATE ${lowbit_flags_${arch}})
    target_link_libraries(${engine} PRIVATE lowbit::lowbit $<TARGET_NAME_IF_EXISTS:lowbit_warnings>)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${engine}>)
  endforeach()
endfunction()
