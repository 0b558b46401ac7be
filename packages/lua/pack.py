"""A source rock: the binding in C, the library for each kind of machine, and the module in Lua. The binding is compiled where the rock is
installed, against the headers of that Lua."""

import gzip
from pathlib import Path

from common import HEADERS, LICENSE, SUMMARY, VERSION, tar, tree, write_zip

HERE = Path(__file__).parent
SOURCE = f"ikcp-{VERSION}"
ROCKSPEC = f"""\
rockspec_format = "3.0"
package = "ikcp"
version = "{VERSION}-1"
source = {{ url = "https://example.com/{SOURCE}.tar.gz", dir = "{SOURCE}" }}
description = {{ summary = "{SUMMARY}", license = "MIT" }}
supported_platforms = {{ "unix" }}
dependencies = {{ "lua >= 5.1, < 5.5" }}
build = {{
  type = "make",
  build_variables = {{ CC = "$(CC)", CFLAGS = "$(CFLAGS)", LIBFLAG = "$(LIBFLAG)", LUA_INCDIR = "$(LUA_INCDIR)" }},
  install_variables = {{ INST_LIBDIR = "$(LIBDIR)", INST_LUADIR = "$(LUADIR)" }},
}}
"""


def pack(natives, out):
    files = {**tree(HERE, "core.c", "ikcp.lua", "Makefile"), **tree(HERE.parent, "fields.h"), "LICENSE": LICENSE}
    files.update({f"include/{name}": natives.include() / name for name in HEADERS})
    for name in natives:
        if name.startswith(("linux-", "macos-")) and name != "macos-universal":
            # `uname -m` says arm64 on macOS, as the name here does
            files[f"natives/{name}/libkcp.a"] = natives.file(name, "static")
    archive = gzip.compress(tar({f"{SOURCE}/{name}": data for name, data in files.items()}), 9, mtime=0)
    rock = f"ikcp-{VERSION}-1"
    write_zip(out / f"{rock}.src.rock", {f"{rock}.rockspec": ROCKSPEC, f"{SOURCE}.tar.gz": archive})
