# SPDX-License-Identifier: Apache-2.0
# cmake -D BUILD= -D SOURCE= -D PREFIX= -P install.cmake
# A fresh installation, which works wherever it is moved: no file names this machine's folders.
cmake_minimum_required(VERSION 3.22)
file(REMOVE_RECURSE ${PREFIX})
execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${PREFIX} COMMAND_ERROR_IS_FATAL ANY)
file(GLOB_RECURSE texts ${PREFIX}/*.cmake ${PREFIX}/*.pc)
if(NOT texts)
  message(FATAL_ERROR "${PREFIX}: no CMake or pkg-config file")
endif()
foreach(text IN LISTS texts)
  file(READ ${text} contents)
  foreach(folder IN ITEMS ${PREFIX} ${BUILD} ${SOURCE})
    # As a whole path: the end of another one is not it (a checkout in /lowbit, include/lowbit/).
    string(REGEX REPLACE "([][.+*?^$(){}|\\])" "\\\\\\1" pattern "${folder}")
    if(contents MATCHES "(^|[^A-Za-z0-9_}.])${pattern}/")
      message(SEND_ERROR "${text} names ${folder}")
    endif()
  endforeach()
endforeach()
