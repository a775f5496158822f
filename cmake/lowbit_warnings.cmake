# SPDX-License-Identifier: Apache-2.0
# Warnings for the project's own targets only. They are errors for developers (the presets), not for a newcomer whose
# compiler knows more warnings than ours.
option(LOWBIT_WERROR "Treat warnings as errors" OFF)
add_library(lowbit_warnings INTERFACE)
target_compile_options(lowbit_warnings INTERFACE -Wall -Wextra -Wconversion $<$<BOOL:${LOWBIT_WERROR}>:-Werror>)
