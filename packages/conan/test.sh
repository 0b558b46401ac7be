# For CMake the version is that of the original.
sed -i 's/find_package(kcp/& 1.7/' CMakeLists.txt
cmake -B build/again -DCMAKE_TOOLCHAIN_FILE=build/conan_toolchain.cmake -DCMAKE_BUILD_TYPE=Release >/dev/null
# The shared library as well, by pkg-config.
conan create dist/packages/conan -nr -tf "" -o "kcp/*:shared=True" >/dev/null 2>&1
conan install --requires=kcp/0.1.0 -nr -o "kcp/*:shared=True" -g PkgConfigDeps -of shared >/dev/null 2>&1
export PKG_CONFIG_PATH=$PWD/shared
c++ -std=c++17 echo.cpp $(pkg-config --cflags --libs kcp) -Wl,-rpath,"$(pkg-config --variable=libdir kcp)" -o shared/echo
[[ $(shared/echo) == hello && $(readelf -d shared/echo) == *'[libkcp.so]'* ]]
# What is not there is refused.
if refused=$(conan create dist/packages/conan -nr -tf "" -s arch=sparc 2>&1); then exit 1; fi
[[ $refused == *"there is no library for Linux on sparc"* ]]
echo "conan: passed"
