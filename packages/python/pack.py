"""One wheel for each kind of machine: the same files in Python, and the shared library."""

import base64
import hashlib
from pathlib import Path

from common import LICENSE, SUMMARY, VERSION, content, tree, write_zip

HERE = Path(__file__).parent
TAGS = {
    "linux-x86_64": "manylinux_2_17_x86_64.manylinux2014_x86_64",
    "linux-aarch64": "manylinux_2_17_aarch64.manylinux2014_aarch64",
    "linux-armv7": "manylinux_2_17_armv7l.manylinux2014_armv7l",
    "linux-riscv64": "manylinux_2_27_riscv64",
    "musl-x86_64": "musllinux_1_1_x86_64",
    "musl-aarch64": "musllinux_1_1_aarch64",
    "windows-x86_64": "win_amd64",
    "windows-i686": "win32",
    "macos-x86_64": "macosx_11_0_x86_64",
    "macos-arm64": "macosx_11_0_arm64",
}
METADATA = f"""\
Metadata-Version: 2.1
Name: ikcp
Version: {VERSION}
Summary: {SUMMARY}
License: MIT
Requires-Python: >=3.8
Classifier: Framework :: AsyncIO
Classifier: Programming Language :: Python :: 3
Classifier: Typing :: Typed
"""


def pack(natives, out):
    for name, tag in TAGS.items():
        if name not in natives:
            continue
        info = f"ikcp-{VERSION}.dist-info"
        library = natives.file(name, "shared")
        files = {
            **tree(HERE, "ikcp/*.py", "ikcp/py.typed"),
            f"ikcp/{library.name}": library,
            f"{info}/METADATA": METADATA,
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: ikcp\nRoot-Is-Purelib: false\n"
            + "".join(f"Tag: py3-none-{part}\n" for part in tag.split(".")),
            f"{info}/licenses/LICENSE": LICENSE,
        }
        files[f"{info}/RECORD"] = "".join(map(record, files.items())) + f"{info}/RECORD,,\n"
        write_zip(out / f"ikcp-{VERSION}-py3-none-{tag}.whl", files)


def record(entry):
    name, data = entry
    data = content(data)
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}\n"
