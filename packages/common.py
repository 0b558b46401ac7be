"""What the packages of all languages have in common: version, natives, archives that are the same to the byte each time."""

import gzip
import hashlib
import io
import os
import re
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSION = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
LICENSE = ROOT / "LICENSE"
HEADERS = ("ikcp.h", "ikcpx.h")
SUMMARY = "KCP: reliable messages over UDP, with lower latency than TCP on bad links"


class Natives:
    """The folders of dist/ that are there, of those that tools/dist/targets.txt and build.sh name."""

    def __init__(self, dist):
        self.dist = Path(dist)
        self.names = sorted(path.parent.name for path in self.dist.glob("*/lib") if path.parent.name != "packages")

    def __iter__(self):
        return iter(self.names)

    def __contains__(self, name):
        return name in self.names

    def file(self, name, kind):
        """A library of a target: kind is "static" or "shared"; None where a target has none."""
        names = ["libkcp.a"] if kind == "static" else ["libkcp.so", "kcp.dll", "libkcp.dylib"]
        return next((path for file in names if (path := self.dist / name / "lib" / file).exists()), None)

    def include(self, name=None):
        return self.dist / (name or self.names[0]) / "include"


def content(data):
    return data.read_bytes() if isinstance(data, Path) else data.encode() if isinstance(data, str) else data


def tree(folder, *patterns, prefix=""):
    """The files of a folder that match, by their name in the package."""
    folder = Path(folder)
    found = (path for pattern in patterns for path in sorted(folder.glob(pattern)) if path.is_file())
    return {prefix + str(path.relative_to(folder)): path for path in found if "__pycache__" not in path.parts}


def write_zip(path, files):
    """In the order given: some formats want a file first or last."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100644 << 16
            entry.create_system = 3
            archive.writestr(entry, content(data), zipfile.ZIP_DEFLATED)


def tar(files, executable=()):
    """A .tar of files in memory, with their folders."""
    packed = io.BytesIO()
    folders = set()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:

        def add(name, **rest):
            entry = tarfile.TarInfo(name)
            for key, value in rest.items():
                setattr(entry, key, value)
            entry.uname = entry.gname = "root"
            return entry

        for name in sorted(files):
            for parent in reversed(list(Path(name).parents)[:-1]):
                if str(parent) not in folders:
                    folders.add(str(parent))
                    prefix = "./" if name.startswith("./") else ""
                    archive.addfile(add(prefix + str(parent), type=tarfile.DIRTYPE, mode=0o755))
            data = content(files[name])
            archive.addfile(add(name, size=len(data), mode=0o755 if name in executable else 0o644), io.BytesIO(data))
    return packed.getvalue()


def write_tgz(path, files):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(tar(files), 9, mtime=0))


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content(data))


def sums(folder):
    """SHA256SUMS of what lies in a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  ./{path.relative_to(folder)}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(lines))
    return [os.path.relpath(path, folder) for path in files]


class compiler(list):
    """The command of a C compiler for a target: zig from the environment that DIST_TOOLS names, or cc for the machine itself."""

    def __init__(self, name):
        tools = Path(os.environ.get("DIST_TOOLS", ROOT / "target/dist-tools")) / "bin/python"
        targets = (ROOT / "tools/dist/targets.txt").read_text()
        self.environment = {"SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH", "1")}  # the date in files for Windows
        if tools.exists():
            zig = re.search(rf"^{name} +\S+ +(\S+)", targets, re.M)[1]
            self.environment.update(ZIG_PYTHON=str(tools), ZIG_TARGET=zig)
            super().__init__([str(ROOT / "tools/dist/zig")])
        elif name == f"linux-{os.uname().machine}":
            super().__init__(["cc"])
        else:
            raise SystemExit(f"no compiler for {name}: see docs/platforms.md")


PROFILE = "2.1.1"  # the version of the original that the libraries in dist/ stand for


def cmake_files(folder, up, lib):
    """The files that find_package(kcp) reads, for a folder from which the path `up` leads to the prefix."""
    config = (ROOT / "packages/cmake/kcp-config.cmake").read_text().replace("@UP@", up).replace("@LIB@", lib)
    return {
        f"{folder}/kcp-config.cmake": config,
        f"{folder}/kcp-config-version.cmake": ROOT / "packages/cmake/kcp-config-version.cmake",
    }


def pkg_config(prefix, lib):
    """kcp.pc for a prefix; the linker takes the shared library where both kinds lie."""
    text = (ROOT / "kcp.pc.in").read_text()
    values = {"pc_prefix": prefix, "pc_libdir": f"${{prefix}}/{lib}", "pc_includedir": "${prefix}/include"}
    values.update({"KCP_PROFILE": PROFILE, "pc_library": "-lkcp", "pc_shared": " -DIKCP_SHARED"})
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text
