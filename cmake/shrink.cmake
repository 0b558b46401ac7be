# Brings cargo's static library to what a program needs of it. As cargo leaves it, it is 4 MB, nearly all of it Rust's
# runtime for operations that no code here uses, and its inner names are visible to the linker. Here: one object that
# holds what the public functions reach, with the public names only.
#
#   cmake -DFROM=libkcp.a -DTO=libkcp.a -DSYMBOLS=symbols.txt,... -DLAYOUT=... -DPREFIX=... -DLINKER=ld -DOBJCOPY=objcopy -DAR=ar
#       -P shrink.cmake
#
# It takes GNU ld and ELF. Elsewhere what is not ours is deleted from the archive, which is nearly the same; with MSVC, which
# has no ar, the library is copied as it is, and can then be linked as usual but not whole.

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
    if(NOT AR)
        return()
    endif()
endif()

function(run)
    execute_process(COMMAND ${ARGV} RESULT_VARIABLE result ERROR_VARIABLE error)
    if(NOT result EQUAL 0)
        file(REMOVE "${TO}")
        message(FATAL_ERROR "${ARGV}\n${error}")
    endif()
endfunction()

if(NOT can)
    execute_process(COMMAND "${AR}" t "${TO}" OUTPUT_VARIABLE members RESULT_VARIABLE result)
    string(REGEX MATCHALL "[^\r\n]+" members "${members}")
    list(FILTER members EXCLUDE REGEX "^(kcp\\.|.*ikcp_log\\.o)|^__\\.SYMDEF")
    if(result EQUAL 0 AND members)
        run("${AR}" d "${TO}" ${members})
        run("${AR}" s "${TO}")
    endif()
    return()
endif()

set(symbols "")
string(REPLACE "," ";" SYMBOLS "${SYMBOLS}")
foreach(file IN LISTS SYMBOLS)
    file(STRINGS "${file}" lines REGEX "^[TD] ")
    list(APPEND symbols ${lines})
endforeach()
list(TRANSFORM symbols REPLACE "^[TD] " "")
if(LAYOUT STREQUAL "2.1.1")
    list(APPEND symbols ikcp_create_layout_211)
endif()
list(APPEND symbols libkcp_a_is_not_linked)
list(TRANSFORM symbols PREPEND "${PREFIX}")
set(roots ${symbols})
list(TRANSFORM roots PREPEND "--undefined=")
set(kept ${symbols})
list(TRANSFORM kept PREPEND "--keep-global-symbol=")

run("${LINKER}" -r --gc-sections ${roots} -o "${object}" "${FROM}")
run("${OBJCOPY}" --strip-unneeded ${kept} "${object}")
run("${AR}" rcs "${TO}" "${object}")
file(REMOVE "${object}")
