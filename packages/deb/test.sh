apt-get install -qq -y --no-install-recommends ./dist/packages/libkcp*_"$(dpkg --print-architecture)".deb >/dev/null
# CMake finds it, of each kind.
for kind in kcp kcp-shared kcp-static; do
    printf '%s\n' 'cmake_minimum_required(VERSION 3.16)' 'project(echo CXX)' 'find_package(kcp 1.7 CONFIG REQUIRED)' \
        'set(CMAKE_CXX_STANDARD 17)' 'add_executable(echo echo.cpp)' "target_link_libraries(echo PRIVATE kcp::$kind)" >CMakeLists.txt
    rm -rf build
    cmake -B build >/dev/null
    cmake --build build >/dev/null
    [[ $(build/echo) == hello ]]
    needs=$(readelf -d build/echo)
    if [[ $kind == kcp-static ]]; then [[ $needs != *libkcp* ]]; else [[ $needs == *'[libkcp.so]'* ]]; fi
done
# A program that was linked with the original runs with it: the name is the same, without a number.
[[ $(readelf -d "$(gcc -print-file-name=libkcp.so)") == *'soname: [libkcp.so]'* ]]
# Nothing is left of it.
apt-get purge -qq -y libkcp libkcp-dev >/dev/null
[[ ! -e /usr/include/ikcp.h && -z $(ldconfig -p | grep libkcp || true) ]]
echo "deb: passed"
