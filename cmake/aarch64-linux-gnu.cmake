# SPDX-License-Identifier: Apache-2.0
# Toolchain file: 64-bit Arm Linux with Debian's cross compiler; programs run under QEMU. scripts/setup everywhere installs
# both. Libraries that are more than headers come from CMAKE_PREFIX_PATH or as arm64 packages.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
find_program(LOWBIT_QEMU_AARCH64 NAMES qemu-aarch64 qemu-aarch64-static)
if(LOWBIT_QEMU_AARCH64)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${LOWBIT_QEMU_AARCH64} -cpu max -L /usr/aarch64-linux-gnu)
endif()
