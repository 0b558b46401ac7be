# How cargo's files become CMake's targets.
#
# kcp_cargo runs cargo and leaves both kinds of the library in rust/. The targets are ordinary ones, made of the stub
# ikcp.c, whose file is then replaced by cargo's. So a project can do with them what it did with those of the original:
# install and export them, change their properties, ask for $<TARGET_FILE:kcp>.

find_program(KCP_CARGO cargo HINTS "$ENV{HOME}/.cargo/bin" "$ENV{USERPROFILE}/.cargo/bin")
if(NOT KCP_CARGO)
    message(FATAL_ERROR "The library is written in Rust and needs cargo, which was not found: install it, or set KCP_CARGO.")
endif()
if(CMAKE_CROSSCOMPILING AND KCP_RUST_TARGET STREQUAL "")
    message(FATAL_ERROR "Cross builds need KCP_RUST_TARGET, rustc's name for the machine, such as aarch64-unknown-linux-gnu.")
endif()

# ---- cargo ---------------------------------------------------------------------------------------------------------

set(cargo_dir "${PROJECT_BINARY_DIR}/cargo")
set(cargo_out "${cargo_dir}/release")
set(cargo_args build --release --lib --locked --target-dir "${cargo_dir}")
# The C in ikcp_log() is compiled by the compiler of this build. What surrounds the build says nothing to cargo: make's
# job server is not open to it, and a target set for other projects would move its files.
set(cargo_env --unset=MAKEFLAGS --unset=MFLAGS --unset=CARGO_MAKEFLAGS --unset=CARGO_BUILD_TARGET "CC=${CMAKE_C_COMPILER}"
    "KCP_PREFIX=${KCP_PREFIX}")
if(NOT KCP_RUST_TARGET STREQUAL "")
    list(APPEND cargo_args --target "${KCP_RUST_TARGET}")
    set(cargo_out "${cargo_dir}/${KCP_RUST_TARGET}/release")
    string(REPLACE "-" "_" variable "${KCP_RUST_TARGET}")
    list(APPEND cargo_env --unset=CC "CC_${variable}=${CMAKE_C_COMPILER}")
    string(TOUPPER "${variable}" variable)
    list(APPEND cargo_env "CARGO_TARGET_${variable}_LINKER=${CMAKE_C_COMPILER}")
endif()
if(KCP_OFFLINE)
    list(APPEND cargo_args --offline)
endif()
if(NOT features STREQUAL "")
    string(REPLACE ";" "," joined "${features}")
    list(APPEND cargo_args --features "${joined}")
endif()
set(symbols "${PROJECT_SOURCE_DIR}/tests/golden/symbols.txt")
if(KCP_EXTENSIONS)
    string(APPEND symbols ",${PROJECT_SOURCE_DIR}/tests/golden/symbols-extensions.txt")
else()
    list(APPEND cargo_args --no-default-features)
endif()
list(APPEND cargo_args ${KCP_CARGO_FLAGS})

if(MSVC)
    set(archive kcp.lib)
else()
    set(archive libkcp.a)
endif()
set(shared "${CMAKE_SHARED_LIBRARY_PREFIX}kcp${CMAKE_SHARED_LIBRARY_SUFFIX}")
set(import_library "")
if(WIN32 AND MSVC)
    set(import_library kcp.dll.lib)
elseif(WIN32)
    set(shared kcp.dll)
    set(import_library libkcp.dll.a)
endif()

set(rust_dir "${PROJECT_BINARY_DIR}/rust")
set(rust_outputs "")
set(rust_commands "")
if(KCP_BOTH_KINDS OR NOT BUILD_SHARED_LIBS)
    list(APPEND rust_outputs "${rust_dir}/${archive}")
    list(APPEND rust_commands
        COMMAND "${CMAKE_COMMAND}" "-DFROM=${cargo_out}/${archive}" "-DTO=${rust_dir}/${archive}"
            "-DSYMBOLS=${symbols}" "-DLAYOUT=${KCP_LAYOUT}" "-DPREFIX=${KCP_PREFIX}"
            "-DLINKER=${CMAKE_LINKER}" "-DOBJCOPY=${CMAKE_OBJCOPY}" "-DAR=${CMAKE_AR}"
            -P "${PROJECT_SOURCE_DIR}/cmake/shrink.cmake")
endif()
if(KCP_BOTH_KINDS OR BUILD_SHARED_LIBS)
    foreach(file "${shared}" ${import_library})
        list(APPEND rust_outputs "${rust_dir}/${file}")
        list(APPEND rust_commands COMMAND "${CMAKE_COMMAND}" -E copy "${cargo_out}/${file}" "${rust_dir}/${file}")
    endforeach()
endif()

file(GLOB_RECURSE rust_sources CONFIGURE_DEPENDS
    "${PROJECT_SOURCE_DIR}/src/*" "${PROJECT_SOURCE_DIR}/core/src/*" "${PROJECT_SOURCE_DIR}/core/Cargo.toml")
foreach(file Cargo.toml Cargo.lock build.rs include/ikcp.h tests/golden/symbols.txt tests/golden/symbols-extensions.txt
    cmake/shrink.cmake)
    list(APPEND rust_sources "${PROJECT_SOURCE_DIR}/${file}")
endforeach()

add_custom_command(
    OUTPUT ${rust_outputs}
    COMMAND "${CMAKE_COMMAND}" -E env ${cargo_env} "${KCP_CARGO}" ${cargo_args}
    COMMAND "${CMAKE_COMMAND}" -E make_directory "${rust_dir}"
    ${rust_commands}
    DEPENDS ${rust_sources}
    WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}" # where cargo looks for its configuration, a vendored tree included
    COMMENT "Building kcp with cargo"
    VERBATIM)
add_custom_target(kcp_cargo DEPENDS ${rust_outputs})
set_source_files_properties(include/ikcp.c PROPERTIES OBJECT_DEPENDS "${rust_outputs}")

# ---- targets -------------------------------------------------------------------------------------------------------

# kcp_add_library(NAME STATIC|SHARED): the target NAME, and kcp::NAME for it.
function(kcp_add_library name kind)
    add_library(${name} ${kind} include/ikcp.c)
    add_library(kcp::${name} ALIAS ${name})
    add_dependencies(${name} kcp_cargo)
    target_include_directories(${name} PUBLIC "$<BUILD_INTERFACE:${KCP_INCLUDE_DIR}>")
    set_target_properties(${name} PROPERTIES
        OUTPUT_NAME kcp
        DEBUG_POSTFIX "" # the soname is libkcp.so whatever the project around this one calls its debug builds
        C_STANDARD 99
        # The file has no search path that CMake could rewrite.
        SKIP_BUILD_RPATH ON
        INSTALL_RPATH ""
        INSTALL_RPATH_USE_LINK_PATH OFF)
    if(KCP_BOTH_KINDS) # kcp and one of the others are the same file
        foreach(property ARCHIVE_OUTPUT_DIRECTORY LIBRARY_OUTPUT_DIRECTORY RUNTIME_OUTPUT_DIRECTORY)
            if(NOT "${name}" STREQUAL "kcp" OR NOT DEFINED CMAKE_${property})
                set_target_properties(${name} PROPERTIES ${property} "${PROJECT_BINARY_DIR}/lib/${name}")
            endif()
        endforeach()
    endif()
    if("${kind}" STREQUAL "STATIC")
        set(file "${archive}")
    else()
        set(file "${shared}")
        target_compile_definitions(${name} PUBLIC IKCP_SHARED) # see include/ikcp.c
        if(WIN32) # the name that the import library has inside
            set_target_properties(${name} PROPERTIES PREFIX "")
        endif()
        foreach(file_of_import IN LISTS import_library)
            add_custom_command(TARGET ${name} POST_BUILD VERBATIM
                COMMAND "${CMAKE_COMMAND}" -E copy "${rust_dir}/${file_of_import}" "$<TARGET_LINKER_FILE:${name}>")
        endforeach()
    endif()
    add_custom_command(TARGET ${name} POST_BUILD VERBATIM
        COMMAND "${CMAKE_COMMAND}" -E copy "${rust_dir}/${file}" "$<TARGET_FILE:${name}>")
endfunction()
