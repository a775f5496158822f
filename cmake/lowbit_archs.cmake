# SPDX-License-Identifier: Apache-2.0
# The compiler flags of each arch tag, which tags the programs and tests are built for (lowbit_archs), and which of them
# this machine runs (lowbit_cpu_archs).
include(CheckCXXCompilerFlag)

set(lowbit_flags_scalar "")
set(lowbit_flags_avx2 -mavx2 -mfma -mbmi2 -mpopcnt)
set(lowbit_flags_avx512 ${lowbit_flags_avx2} -mavx512f -mavx512cd -mavx512bw -mavx512dq -mavx512vl -mavx512vpopcntdq
    -mavx512vnni -mavx512vbmi -mavx512ifma)
set(lowbit_flags_amx ${lowbit_flags_avx512} -mamx-tile -mamx-int8)

if(LOWBIT_ARCHS)
  set(lowbit_archs ${LOWBIT_ARCHS})
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(lowbit_archs scalar avx2 avx512)
  check_cxx_compiler_flag("-mamx-tile -mamx-int8" LOWBIT_COMPILER_KNOWS_AMX)
  if(LOWBIT_COMPILER_KNOWS_AMX)
    list(APPEND lowbit_archs amx)
  endif()
else()
  set(lowbit_archs scalar)
endif()
# An amx program has only what differs there, and takes the rest from avx512's.
if("amx" IN_LIST lowbit_archs AND NOT "avx512" IN_LIST lowbit_archs)
  message(FATAL_ERROR "lowbit: LOWBIT_ARCHS names amx, which needs avx512, too")
endif()

# The kernel's list, not lowbit's own detection: tests hold one against the other.
set(lowbit_cpu_archs scalar)
if(EXISTS /proc/cpuinfo AND NOT CMAKE_CROSSCOMPILING)
  file(STRINGS /proc/cpuinfo lowbit_cpu_flags REGEX "^flags" LIMIT_COUNT 1)
  set(lowbit_cpu_flags "${lowbit_cpu_flags} ")
  foreach(arch IN ITEMS avx2 avx512 amx)
    set(lowbit_has_all ON)
    foreach(flag IN LISTS lowbit_flags_${arch})
      string(REPLACE "-m" "" flag "${flag}")
      string(REGEX REPLACE "^avx512(vpopcntdq|vnni)$" "avx512_\\1" flag "${flag}")
      string(REPLACE "amx-" "amx_" flag "${flag}")
      if(NOT lowbit_cpu_flags MATCHES " ${flag} ")
        set(lowbit_has_all OFF)
      endif()
    endforeach()
    if(lowbit_has_all AND (NOT arch STREQUAL "amx" OR arch IN_LIST lowbit_archs))
      list(APPEND lowbit_cpu_archs ${arch})
    endif()
  endforeach()
endif()
