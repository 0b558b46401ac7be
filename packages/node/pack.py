"""One package for npm with an addon for each kind of machine. The addons are compiled by zig, as the library is, or for the machine itself
by cc. They need the headers of Node-API, which NODE_INCLUDE names: Debian's libnode-dev has them in /usr/include/node."""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from common import LICENSE, SUMMARY, VERSION, compiler, tree, write_tgz

HERE = Path(__file__).parent
PLATFORMS = {
    "linux-x86_64": "linux-x64",
    "linux-aarch64": "linux-arm64",
    "linux-armv7": "linux-arm",
    "linux-riscv64": "linux-riscv64",
    "musl-x86_64": "linux-x64-musl",
    "musl-aarch64": "linux-arm64-musl",
    "windows-x86_64": "win32-x64",
    "windows-i686": "win32-ia32",
    "macos-x86_64": "darwin-x64",
    "macos-arm64": "darwin-arm64",
}
PACKAGE = {
    "name": "ikcp",
    "version": VERSION,
    "description": SUMMARY,
    "license": "MIT",
    "main": "index.js",
    "types": "index.d.ts",
    "engines": {"node": ">=18"},
}


def pack(natives, out):
    files = {**tree(HERE, "*.js", "index.d.ts"), "LICENSE": LICENSE, "package.json": json.dumps(PACKAGE, indent=2) + "\n"}
    with tempfile.TemporaryDirectory() as work:
        for name, platform in PLATFORMS.items():
            if name in natives:
                files[f"prebuilds/{platform}/kcp.node"] = addon(natives, name, Path(work))
        write_tgz(out / f"ikcp-{VERSION}.tgz", {f"package/{name}": data for name, data in files.items()})


def addon(natives, name, work):
    headers = Path(os.environ.get("NODE_INCLUDE", "/usr/include/node"))
    if not (headers / "node_api.h").exists():
        sys.exit(f"no node_api.h in {headers}: set NODE_INCLUDE, or install libnode-dev")
    cc = compiler(name)
    built = work / f"{name}.node"
    compile_ = [*cc, "-std=c99", "-O2", "-s", "-Wall", "-Wextra", "-Wno-unused-parameter", "-fPIC", "-fvisibility=hidden"]
    compile_ += ["-DNAPI_VERSION=8", f"-I{headers}", f"-I{natives.include(name)}", f"-I{HERE.parent}", str(HERE / "addon.c")]
    library = str(natives.file(name, "static"))
    if name.startswith("macos"):
        link = ["-dynamiclib", "-install_name", "kcp.node", "-Wl,-undefined,dynamic_lookup"]
    elif name.startswith("windows"):
        # node.exe has the functions; its import library is made of the names that the addon asks for.
        names = sorted(set(re.findall(r"\b(napi_[a-z0-9_]+)(?=\()", (HERE / "addon.c").read_text())))
        (work / "node.def").write_text("LIBRARY node.exe\nEXPORTS\n" + "".join(f"{function}\n" for function in names))
        machine = "i386:x86-64" if name == "windows-x86_64" else "i386"
        subprocess.check_call(["llvm-dlltool", "-m", machine, "-d", work / "node.def", "-l", work / f"{name}.lib"])
        link = ["-shared", str(work / f"{name}.lib")]
    else:
        # Another library with functions of these names is none of its business.
        (work / "exports").write_text("{ global: napi_register_module_v1; node_api_module_get_api_version_v1; local: *; };\n")
        link = ["-shared", f"-Wl,--version-script={work}/exports", "-Wl,--gc-sections"]
    subprocess.check_call([*compile_, library, *link, "-o", built], env={**os.environ, **cc.environment})
    return built.read_bytes()

