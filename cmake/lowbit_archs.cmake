# SPDX-License-Identifier: Apache-2.0
# The compiler flags of each arch tag, and which tags the programs and tests are built for.
set(lowbit_flags_scalar "")
set(lowbit_flags_avx2 -mavx2 -mfma -mbmi2 -mpopcnt)
set(lowbit_flags_avx512 ${lowbit_flags_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vpopcntdq)

if(LOWBIT_ARCHS)
  set(lowbit_archs ${LOWBIT_ARCHS})
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(lowbit_archs scalar avx2 avx512)
else()
  set(lowbit_archs scalar)
endif()
