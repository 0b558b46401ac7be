#!/usr/bin/env python3
"""Makes the packages of all languages, with the natives that lie in dist/, into dist/packages.

    packages/make.py [--dist DIR] [NAME ...]

NAME is a folder beside this file: python, node, go, java, csharp, deb, conan, vcpkg, lua. Without names, all. Each has a
pack.py, which says what the package is made of; what it needs beside Python is said there, too. dist/ is what tools/dist/build.sh
writes, and `cargo run -p pack -- --out dist/linux-x86_64` for one machine."""

import argparse
import importlib.util
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

import common  # noqa: E402


def main():
    known = sorted(path.parent.name for path in HERE.glob("*/pack.py"))
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--dist", default=common.ROOT / "dist", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME")
    given = parser.parse_args()
    unknown = set(given.names) - set(known)
    if unknown:
        parser.error(f"no package {' '.join(unknown)}; there are: {' '.join(known)}")
    natives = common.Natives(given.dist.resolve())
    if not natives.names:
        sys.exit(f"no natives in {given.dist}: see tools/dist/build.sh")
    out = natives.dist / "packages"
    if not given.names:
        shutil.rmtree(out, ignore_errors=True)
    out.mkdir(exist_ok=True)
    for name in given.names or known:
        spec = importlib.util.spec_from_file_location(f"pack_{name}", HERE / name / "pack.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.pack(natives, out)
        print(f"{name}: packed")
    common.sums(out)


main()
