# SPDX-License-Identifier: Apache-2.0
# Toolchain file: Cortex-M with Debian's gcc-arm-none-eabi and libstdc++-arm-none-eabi-newlib, which scripts/setup everywhere
# installs. The core is chosen per target (CMakeLists.txt).
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_CXX_COMPILER arm-none-eabi-g++)
set(CMAKE_ASM_COMPILER arm-none-eabi-gcc)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
