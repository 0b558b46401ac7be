"""A module as a folder that GOPROXY takes: its zip, with an archive of the library for each kind of machine, and what describes it."""

import json
from pathlib import Path

from common import HEADERS, LICENSE, VERSION, tree, write, write_zip

HERE = Path(__file__).parent
MODULE = "example.com/ikcp"
TARGETS = {
    "linux-x86_64": "linux_amd64",
    "linux-aarch64": "linux_arm64",
    "linux-armv7": "linux_arm",
    "linux-riscv64": "linux_riscv64",
    "windows-x86_64": "windows_amd64",
    "windows-i686": "windows_386",
    "macos-x86_64": "darwin_amd64",
    "macos-arm64": "darwin_arm64",
    "ios-arm64": "ios_arm64",
    "android-arm64-v8a": "android_arm64",
    "android-armeabi-v7a": "android_arm",
    "android-x86_64": "android_amd64",
    "android-x86": "android_386",
}


def pack(natives, out):
    go_mod = f"module {MODULE}\n\ngo 1.19\n"
    files = {**tree(HERE, "*.go"), "go.mod": go_mod, "LICENSE": LICENSE}
    files.update({name: natives.include() / name for name in HEADERS})
    for name, target in TARGETS.items():
        if name in natives:
            files[f"libkcp_{target}.a"] = natives.file(name, "static")
    folder = out / "go" / MODULE / "@v"
    version = f"v{VERSION}"
    write_zip(folder / f"{version}.zip", {f"{MODULE}@{version}/{name}": data for name, data in files.items()})
    write(folder / f"{version}.mod", go_mod)
    write(folder / f"{version}.info", json.dumps({"Version": version, "Time": "2000-01-01T00:00:00Z"}))
    write(folder / "list", version + "\n")
