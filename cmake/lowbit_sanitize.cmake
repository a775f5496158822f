# SPDX-License-Identifier: Apache-2.0
# A build with a sanitizer has the program, its engines and the tests that find most there, all of them instrumented.
set(LOWBIT_SANITIZE "" CACHE STRING "address (with undefined behaviour) or thread: what is tested with that sanitizer")
set_property(CACHE LOWBIT_SANITIZE PROPERTY STRINGS "" address thread)

if(LOWBIT_SANITIZE STREQUAL "address")
  set(lowbit_sanitizers -fsanitize=address,undefined)
elseif(LOWBIT_SANITIZE STREQUAL "thread")
  set(lowbit_sanitizers -fsanitize=thread)
elseif(LOWBIT_SANITIZE)
  message(FATAL_ERROR "lowbit: LOWBIT_SANITIZE is \"${LOWBIT_SANITIZE}\", expected address or thread")
endif()
if(LOWBIT_SANITIZE)
  # -O3 and forced inlining take several times as long to compile, and -O3 unites accesses that are to be looked at one by
  # one.
  add_compile_definitions(LOWBIT_INLINE=inline)
  add_compile_options(-O1 -g1 -fno-omit-frame-pointer -fno-sanitize-recover=all ${lowbit_sanitizers})
  add_link_options(${lowbit_sanitizers})
endif()
