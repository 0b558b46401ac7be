"""The library as it was built for the machine of the profile: nothing is compiled. `conan create` takes it from natives/ beside this file."""

import os

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.files import copy


class Kcp(ConanFile):
    name = "kcp"
    version = "@VERSION@"
    description = "@SUMMARY@"
    license = "MIT"
    topics = ("kcp", "udp", "network")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False]}
    default_options = {"shared": False}
    exports_sources = "natives/*", "LICENSE"

    @property
    def _target(self):
        system = {"Linux": "linux", "Windows": "windows", "Macos": "macos", "iOS": "ios", "Android": "android"}.get(str(self.settings.os))
        machine = {"armv8": "aarch64", "armv7hf": "armv7", "x86": "i686"}.get(str(self.settings.arch), str(self.settings.arch))
        if system in ("macos", "ios"):
            machine = machine.replace("aarch64", "arm64")
        if system == "android":
            machine = {"aarch64": "arm64-v8a", "armv7": "armeabi-v7a", "i686": "x86"}.get(machine, machine)
        return f"{system}-{machine}"

    def validate(self):
        if self._target not in "@TARGETS@".split():
            raise ConanInvalidConfiguration(f"there is no library for {self.settings.os} on {self.settings.arch} in this package")
        if self.settings.os == "Windows" and self.settings.compiler == "msvc" and not self.options.shared:
            raise ConanInvalidConfiguration("the static library is for mingw-w64 and clang; with MSVC: -o kcp/*:shared=True")
        if self.settings.os == "iOS" and self.options.shared:
            raise ConanInvalidConfiguration("programs for iOS hold the library: there is none that is shared")

    def package_id(self):
        # C's interface, for every compiler; a build for debugging takes it, too.
        del self.info.settings.compiler
        del self.info.settings.build_type

    def package(self):
        target = os.path.join(self.source_folder, "natives", self._target)
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        copy(self, "*", os.path.join(target, "include"), os.path.join(self.package_folder, "include"))
        lib = os.path.join(self.package_folder, "lib")
        if self.options.shared:
            for name in ("libkcp.so", "libkcp.dylib", "kcp.lib", "libkcp.dll.a"):
                copy(self, name, os.path.join(target, "lib"), lib)
            copy(self, "kcp.dll", os.path.join(target, "lib"), os.path.join(self.package_folder, "bin"))
        else:
            copy(self, "libkcp.a", os.path.join(target, "lib"), lib)

    def package_info(self):
        self.cpp_info.libs = ["kcp"]
        self.cpp_info.set_property("cmake_file_name", "kcp")
        self.cpp_info.set_property("cmake_target_name", "kcp::kcp")
        self.cpp_info.set_property("pkg_config_name", "kcp")
        # The version that CMake projects ask for is that of the original.
        self.cpp_info.set_property("system_package_version", "@PROFILE@")
        self.cpp_info.set_property("cmake_config_version_compat", "AnyNewerVersion")
        if self.options.shared:
            self.cpp_info.defines = ["IKCP_SHARED"]
