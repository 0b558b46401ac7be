"""Packages for Debian and Ubuntu: libkcp with the shared library, libkcp-dev with what programs are compiled with."""

import gzip
import hashlib

from common import LICENSE, SUMMARY, VERSION, cmake_files, content, pkg_config, tar, tree, write

TARGETS = {
    "linux-x86_64": ("amd64", "x86_64-linux-gnu", "2.17"),
    "linux-aarch64": ("arm64", "aarch64-linux-gnu", "2.17"),
    "linux-armv7": ("armhf", "arm-linux-gnueabihf", "2.17"),
    "linux-riscv64": ("riscv64", "riscv64-linux-gnu", "2.27"),
}
REVISION = f"{VERSION}-1"


def pack(natives, out):
    for name, (architecture, triplet, glibc) in TARGETS.items():
        if name not in natives:
            continue
        lib = f"usr/lib/{triplet}"
        library = {f"{lib}/libkcp.so": natives.file(name, "shared")}
        deb(out, "libkcp", architecture, library, "libs", f"libc6 (>= {glibc})", SUMMARY, "activate-noawait ldconfig\n")
        development = {
            **tree(natives.include(name), "*", prefix="usr/include/"),
            f"{lib}/libkcp.a": natives.file(name, "static"),
            f"{lib}/pkgconfig/kcp.pc": pkg_config("/usr", f"lib/{triplet}"),
            **cmake_files(f"{lib}/cmake/kcp", "../../../..", f"lib/{triplet}"),
        }
        deb(out, "libkcp-dev", architecture, development, "libdevel", f"libkcp (= {REVISION})", f"{SUMMARY} (development files)")


def deb(out, package, architecture, files, section, depends, summary, triggers=None):
    changelog = f"ikcp ({REVISION}) unstable; urgency=medium\n\n  * Of the version {VERSION}; see CHANGELOG.md of the source.\n\n"
    changelog += " -- the authors of ikcp <ikcp@example.com>  Sat, 01 Jan 2000 00:00:00 +0000\n"
    files = {
        **files,
        f"usr/share/doc/{package}/copyright": LICENSE,
        f"usr/share/doc/{package}/changelog.Debian.gz": gzip.compress(changelog.encode(), 9, mtime=0),
    }
    size = sum(len(content(data)) for data in files.values())
    control = {
        "./control": f"Package: {package}\nSource: ikcp\nVersion: {REVISION}\nArchitecture: {architecture}\nMulti-Arch: same\n"
        f"Maintainer: the authors of ikcp <ikcp@example.com>\nInstalled-Size: {size // 1024 + 1}\nDepends: {depends}\n"
        f"Section: {section}\nPriority: optional\nDescription: {summary}\n The original's functions, structs and packets,"
        " with less CPU time.\n",
        "./md5sums": "".join(f"{hashlib.md5(content(data)).hexdigest()}  {name}\n" for name, data in sorted(files.items())),
    }
    if triggers:
        control["./triggers"] = triggers
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": gzip.compress(tar(control), 9, mtime=0),
        "data.tar.gz": gzip.compress(tar({f"./{name}": data for name, data in files.items()}), 9, mtime=0),
    }
    write(out / f"{package}_{REVISION}_{architecture}.deb", ar(members))


def ar(members):
    archive = b"!<arch>\n"
    for name, data in members.items():
        archive += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
    return archive
