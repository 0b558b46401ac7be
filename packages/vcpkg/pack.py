"""A port for vcpkg with the library beside it, to be used as an overlay."""

import json
from pathlib import Path

from common import LICENSE, SUMMARY, VERSION, cmake_files, pkg_config, tree, write

HERE = Path(__file__).parent


def pack(natives, out):
    manifest = {
        "name": "kcp",
        "version": VERSION,
        "description": SUMMARY,
        "license": "MIT",
        "supports": "(linux & !x86) | (windows & !arm & !uwp) | osx | ios | android",
    }
    files = {
        **tree(HERE, "portfile.cmake", "usage"),
        "vcpkg.json": json.dumps(manifest, indent=2) + "\n",
        "kcp.pc": pkg_config("${pcfiledir}/../..", "lib").replace(" -DIKCP_SHARED", ""),
        "LICENSE": LICENSE,
    }
    files.update({Path(name).name: data for name, data in cmake_files(".", "../..", "lib").items()})
    for name in natives:
        if name.split("-")[0] in ("linux", "windows", "macos", "ios", "android") and "simulator" not in name and "universal" not in name:
            files.update(tree(natives.dist / name, "include/*", "lib/*", prefix=f"natives/{name}/"))
    for name, data in files.items():
        write(out / "vcpkg" / "kcp" / name, data)
