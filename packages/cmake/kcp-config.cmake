# Of a package with the library as it was built for this machine. Targets as in a build from source: kcp::kcp, which is the shared library
# where there is one, kcp::kcp-shared and kcp::kcp-static.
set(kcp_PROFILE "2.1.1")
set(kcp_LAYOUT "prefix272")
get_filename_component(kcp_prefix "${CMAKE_CURRENT_LIST_DIR}/@UP@" ABSOLUTE)
set(kcp_lib "${kcp_prefix}/@LIB@")

foreach(kcp_file IN ITEMS libkcp.so libkcp.dylib kcp.lib)
    if(EXISTS "${kcp_lib}/${kcp_file}" AND NOT TARGET kcp::kcp-shared)
        add_library(kcp::kcp-shared SHARED IMPORTED)
        set_target_properties(kcp::kcp-shared PROPERTIES
            IMPORTED_LOCATION "${kcp_lib}/${kcp_file}"
            INTERFACE_INCLUDE_DIRECTORIES "${kcp_prefix}/include"
            INTERFACE_COMPILE_DEFINITIONS IKCP_SHARED)
        if(kcp_file STREQUAL "kcp.lib")
            set_target_properties(kcp::kcp-shared PROPERTIES
                IMPORTED_LOCATION "${kcp_prefix}/bin/kcp.dll" IMPORTED_IMPLIB "${kcp_lib}/kcp.lib")
        endif()
    endif()
endforeach()
if(EXISTS "${kcp_lib}/libkcp.a" AND NOT TARGET kcp::kcp-static)
    add_library(kcp::kcp-static STATIC IMPORTED)
    set_target_properties(kcp::kcp-static PROPERTIES
        IMPORTED_LOCATION "${kcp_lib}/libkcp.a"
        INTERFACE_INCLUDE_DIRECTORIES "${kcp_prefix}/include")
endif()
if(NOT TARGET kcp::kcp)
    add_library(kcp::kcp INTERFACE IMPORTED)
    if(TARGET kcp::kcp-shared)
        set_target_properties(kcp::kcp PROPERTIES INTERFACE_LINK_LIBRARIES kcp::kcp-shared)
    else()
        set_target_properties(kcp::kcp PROPERTIES INTERFACE_LINK_LIBRARIES kcp::kcp-static)
    endif()
endif()
unset(kcp_prefix)
unset(kcp_lib)
unset(kcp_file)
