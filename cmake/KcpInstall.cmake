# What is installed: all that the original installs, under the same names, and beside it the other kind of the library,
# the stub ikcp.c, the C++ header, a version file, and kcp.pc.

include(CMakePackageConfigHelpers)

set(targets kcp)
if(KCP_BOTH_KINDS)
    list(APPEND targets kcp-static kcp-shared)
endif()
install(TARGETS ${targets}
    EXPORT kcp-targets
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}"
    INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
foreach(file IN LISTS KCP_HEADERS)
    install(FILES "${KCP_INCLUDE_DIR}/${file}" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
endforeach()

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/kcp")
install(EXPORT kcp-targets FILE kcp-targets.cmake NAMESPACE kcp:: DESTINATION "${package_dir}")
configure_package_config_file(cmake/kcp-config.cmake.in "${PROJECT_BINARY_DIR}/kcp-config.cmake"
    INSTALL_DESTINATION "${package_dir}")
# The version of the original that the library stands for: projects ask for `find_package(kcp 1.7)` and `kcp >= 1.7`.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/kcp-config-version.cmake"
    VERSION "${KCP_PROFILE}" COMPATIBILITY AnyNewerVersion)
install(FILES "${PROJECT_BINARY_DIR}/kcp-config.cmake" "${PROJECT_BINARY_DIR}/kcp-config-version.cmake"
    DESTINATION "${package_dir}")

# kcp.pc finds its prefix from where it lies, so that `cmake --install --prefix` and moved trees work.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    set(pc_prefix "${CMAKE_INSTALL_PREFIX}")
    set(pc_libdir "${CMAKE_INSTALL_LIBDIR}")
else()
    file(RELATIVE_PATH up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
    string(REGEX REPLACE "/$" "" up "${up}")
    set(pc_prefix "\${pcfiledir}/${up}")
    set(pc_libdir "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
endif()
if(IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
    set(pc_includedir "${CMAKE_INSTALL_INCLUDEDIR}")
else()
    set(pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
# Where both kinds lie side by side linkers prefer the shared one: the static one is asked for by its file name.
set(pc_library "-lkcp")
set(pc_shared " -DIKCP_SHARED")
if(KCP_BOTH_KINDS AND NOT BUILD_SHARED_LIBS AND NOT APPLE)
    set(pc_library "-l:libkcp.a")
    set(pc_shared "")
elseif(NOT BUILD_SHARED_LIBS AND NOT KCP_BOTH_KINDS)
    set(pc_shared "")
endif()
configure_file(kcp.pc.in "${PROJECT_BINARY_DIR}/kcp.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/kcp.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
