# SPDX-License-Identifier: Apache-2.0
# The header-only library: lowbit::lowbit (the encoder: xsimd and nothing else) and lowbit::io (files and text: JSON and Unicode).
# Nothing here adds compiler flags to a user's target.

add_library(lowbit INTERFACE)
add_library(lowbit::lowbit ALIAS lowbit)
target_compile_features(lowbit INTERFACE cxx_std_20)
target_include_directories(lowbit INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                            $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
find_package(Threads REQUIRED)
include(lowbit_dependencies)
target_link_libraries(lowbit INTERFACE xsimd Threads::Threads)

add_library(lowbit_io INTERFACE)
add_library(lowbit::io ALIAS lowbit_io)
set_target_properties(lowbit_io PROPERTIES EXPORT_NAME io)
target_link_libraries(lowbit_io INTERFACE lowbit nlohmann_json::nlohmann_json lowbit_utf8proc)

include(CMakePackageConfigHelpers)
configure_package_config_file(cmake/lowbitConfig.cmake.in lowbitConfig.cmake
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/lowbit)
write_basic_package_version_file(lowbitConfigVersion.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
configure_file(cmake/lowbit.pc.in lowbit.pc @ONLY)
install(DIRECTORY include/lowbit DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp")
install(TARGETS lowbit lowbit_io lowbit_utf8proc EXPORT lowbit)
install(EXPORT lowbit NAMESPACE lowbit:: FILE lowbitTargets.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/lowbit)
install(FILES ${PROJECT_BINARY_DIR}/lowbitConfig.cmake ${PROJECT_BINARY_DIR}/lowbitConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/lowbit)
install(FILES ${PROJECT_BINARY_DIR}/lowbit.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
