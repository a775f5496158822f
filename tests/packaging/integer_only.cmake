# SPDX-License-Identifier: Apache-2.0
# cmake -D OBJDUMP= -D OBJECT= -P integer_only.cmake
# No function of the object computes with floats but the one that makes logits floats for the caller. x86 instructions:
# arithmetic, comparison and conversion of ss, sd, ps, pd, and all of x87; moves, shuffles and bitwise ones are no
# arithmetic.
cmake_minimum_required(VERSION 3.22)
execute_process(COMMAND ${OBJDUMP} -d -C --no-show-raw-insn ${OBJECT} OUTPUT_VARIABLE code COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE ";" "," code "${code}")
string(REPLACE "[" "(" code "${code}")
string(REPLACE "]" ")" code "${code}")
string(REPLACE "\n" ";" code "${code}")
string(CONCAT arithmetic
       "add|sub|mul|div|sqrt|rsqrt[0-9]*|rcp[0-9]*|min|max|cmp[a-z_]*|comi|ucomi|round|rndscale|scalef|reduce|range|dp|"
       "hadd|hsub|addsub|getexp|getmant|fixupimm|fn?m(add|sub|addsub|subadd)[0-9]*")
string(CONCAT float_instruction "^ +[0-9a-f]+:\t(v?(${arithmetic})(ss|sd|ps|pd)|v?cvt[a-z0-9]*|"
       "f(ild|istt?p?|ld[a-z0-9]*|add|sub|mul|div|sqrt|i?com|prem|scale)[a-z]*) ")
set(function "")
set(functions 0)
set(instructions 0)
set(found 0)
foreach(line IN LISTS code)
  if(line MATCHES "^[0-9a-f]+ <(.*)>:$")
    set(function "${CMAKE_MATCH_1}")
    math(EXPR functions "${functions} + 1")
  elseif(line MATCHES "^ +[0-9a-f]+:\t")
    math(EXPR instructions "${instructions} + 1")
    if(line MATCHES "${float_instruction}" AND NOT function MATCHES "::logits_to_floats\\(")
      math(EXPR found "${found} + 1")
      if(found LESS 20)
        message("${OBJECT}: float instruction in ${function}:\n ${line}")
      endif()
    endif()
  endif()
endforeach()
if(instructions LESS 1000)
  message(FATAL_ERROR "${OBJECT}: ${instructions} instructions, expected those of a whole encoder")
endif()
if(found)
  message(FATAL_ERROR "${OBJECT}: ${found} float instructions")
endif()
message("${instructions} instructions in ${functions} functions, none of them float arithmetic")
