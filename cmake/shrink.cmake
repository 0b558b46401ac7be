# Brings cargo's static library to what a program needs of it. As cargo leaves it, it is 4 MB, nearly all of it Rust's
# runtime for operations that no code here uses, and its inner names are visible to the linker. Here: one object that
# holds what the public functions reach, with the public names only.
#
#   cmake -DFROM=libkcp.a -DTO=libkcp.a -DSYMBOLS=symbols.txt -DLAYOUT=... -DLINKER=ld -DOBJCOPY=objcopy -DAR=ar -P shrink.cmake
#
# It takes GNU ld and ELF; with anything else the library is copied as it is, which works as well.

get_filename_component(folder "${TO}" DIRECTORY)
set(object "${folder}/kcp.o")
file(REMOVE "${TO}" "${object}")

set(can OFF)
if(LINKER AND OBJCOPY AND AR)
    execute_process(COMMAND "${LINKER}" --version OUTPUT_VARIABLE version ERROR_QUIET)
    execute_process(COMMAND "${LINKER}" --help OUTPUT_VARIABLE help ERROR_QUIET)
    if(version MATCHES "^GNU ld" AND help MATCHES "supported emulations:[^\n]*elf")
        set(can ON)
    endif()
endif()
if(NOT can)
    execute_process(COMMAND "${CMAKE_COMMAND}" -E copy "${FROM}" "${TO}" RESULT_VARIABLE result)
    if(NOT result EQUAL 0)
        message(FATAL_ERROR "cannot copy ${FROM}")
    endif()
    return()
endif()

function(run)
    execute_process(COMMAND ${ARGV} RESULT_VARIABLE result ERROR_VARIABLE error)
    if(NOT result EQUAL 0)
        file(REMOVE "${TO}")
        message(FATAL_ERROR "${ARGV}\n${error}")
    endif()
endfunction()

file(STRINGS "${SYMBOLS}" symbols REGEX "^[TD] ")
list(TRANSFORM symbols REPLACE "^[TD] " "")
if(LAYOUT STREQUAL "2.1.1")
    list(APPEND symbols ikcp_create_layout_211)
endif()
set(roots ${symbols})
list(TRANSFORM roots PREPEND "--undefined=")
set(kept ${symbols})
list(TRANSFORM kept PREPEND "--keep-global-symbol=")

run("${LINKER}" -r --gc-sections ${roots} -o "${object}" "${FROM}")
run("${OBJCOPY}" --strip-unneeded ${kept} "${object}")
run("${AR}" rcs "${TO}" "${object}")
file(REMOVE "${object}")
