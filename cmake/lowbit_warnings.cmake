# SPDX-License-Identifier: Apache-2.0
# Warnings for the project's own targets only.
add_library(lowbit_warnings INTERFACE)
target_compile_options(lowbit_warnings INTERFACE -Wall -Wextra -Wconversion -Werror)
