# SPDX-License-Identifier: Apache-2.0
# lowbit::xsimd: the headers, and nothing else. xsimd's own package is not asked: Debian's two latest link xtl for
# std::complex, one of them without finding it, and it refuses every request for an older major version.
find_path(xsimd_INCLUDE_DIR xsimd/config/xsimd_config.hpp)
mark_as_advanced(xsimd_INCLUDE_DIR)
set(xsimd_VERSION "")
if(xsimd_INCLUDE_DIR)
  file(READ ${xsimd_INCLUDE_DIR}/xsimd/config/xsimd_config.hpp xsimd_config)
  foreach(part IN ITEMS MAJOR MINOR PATCH)
    if(xsimd_config MATCHES "#define XSIMD_VERSION_${part} ([0-9]+)")
      list(APPEND xsimd_VERSION ${CMAKE_MATCH_1})
    endif()
  endforeach()
  list(JOIN xsimd_VERSION "." xsimd_VERSION)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(xsimd REQUIRED_VARS xsimd_INCLUDE_DIR VERSION_VAR xsimd_VERSION)
if(xsimd_FOUND AND NOT TARGET lowbit::xsimd)
  add_library(lowbit::xsimd INTERFACE IMPORTED)
  set_target_properties(lowbit::xsimd PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${xsimd_INCLUDE_DIR}")
endif()
