# SPDX-License-Identifier: Apache-2.0
# The header-only library: lowbit::lowbit (the encoder: xsimd and nothing else) and lowbit::io (files
# and text: JSON and Unicode). Nothing here adds compiler flags to a user's target.
option(LOWBIT_IO "Files and text: lowbit::io, needs nlohmann-json and utf8proc" ON)
option(LOWBIT_INSTALL "Install rules" ${PROJECT_IS_TOP_LEVEL})
if(NOT LOWBIT_IO AND (LOWBIT_BUILD_TOOLS OR LOWBIT_BUILD_TRAIN OR LOWBIT_BUILD_TESTS OR LOWBIT_BUILD_EXAMPLES
                      OR LOWBIT_BUILD_BENCH))
  message(FATAL_ERROR "lowbit: LOWBIT_IO=OFF is for the library alone; the programs and tests read files")
endif()
include(lowbit_dependencies)

add_library(lowbit INTERFACE)
add_library(lowbit::lowbit ALIAS lowbit)
target_compile_features(lowbit INTERFACE cxx_std_20)
target_include_directories(lowbit INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                            $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(lowbit INTERFACE lowbit::xsimd Threads::Threads)

if(LOWBIT_IO)
  add_library(lowbit_io INTERFACE)
  add_library(lowbit::io ALIAS lowbit_io)
  set_target_properties(lowbit_io PROPERTIES EXPORT_NAME io)
  target_link_libraries(lowbit_io INTERFACE lowbit nlohmann_json::nlohmann_json utf8proc::utf8proc)
endif()

if(LOWBIT_INSTALL AND lowbit_fetched)
  message(STATUS "lowbit: libraries were fetched, so there are no install rules; install the libraries first")
elseif(LOWBIT_INSTALL)
  # Headers and text files: everything goes where files of any architecture go.
  include(CMakePackageConfigHelpers)
  set(lowbit_package ${CMAKE_INSTALL_DATADIR}/cmake/lowbit)
  configure_package_config_file(cmake/lowbitConfig.cmake.in lowbitConfig.cmake INSTALL_DESTINATION ${lowbit_package}
                                PATH_VARS CMAKE_INSTALL_INCLUDEDIR)
  write_basic_package_version_file(lowbitConfigVersion.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
  install(DIRECTORY include/lowbit DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp")
  install(FILES ${PROJECT_BINARY_DIR}/lowbitConfig.cmake ${PROJECT_BINARY_DIR}/lowbitConfigVersion.cmake
                cmake/Findxsimd.cmake cmake/Findutf8proc.cmake cmake/lowbit_archs.cmake cmake/lowbit_engine.cmake
                cmake/lowbit_engine.cpp
          DESTINATION ${lowbit_package})
  install(TARGETS lowbit EXPORT lowbit)
  install(EXPORT lowbit NAMESPACE lowbit:: FILE lowbitTargets.cmake DESTINATION ${lowbit_package})
  configure_file(cmake/lowbit.pc.in lowbit.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/lowbit.pc DESTINATION ${CMAKE_INSTALL_DATADIR}/pkgconfig)
  if(LOWBIT_IO)
    install(TARGETS lowbit_io EXPORT lowbit_io)
    install(EXPORT lowbit_io NAMESPACE lowbit:: FILE lowbitIoTargets.cmake DESTINATION ${lowbit_package})
    configure_file(cmake/lowbit-io.pc.in lowbit-io.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/lowbit-io.pc DESTINATION ${CMAKE_INSTALL_DATADIR}/pkgconfig)
  endif()
endif()
