"""A repository for Maven with one artefact: classes, and the library where JNA looks for it. Compiled by javac, against the JNA that JNA_JAR
names: Debian's libjna-java has it in /usr/share/java."""

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from common import LICENSE, SUMMARY, VERSION, content, tree, write, write_zip

HERE = Path(__file__).parent
GROUP, NAME = "com.example", "ikcp"
# Folders as JNA names them; for Android, as it lays them into an app.
FOLDERS = {
    "linux-x86_64": "linux-x86-64",
    "linux-aarch64": "linux-aarch64",
    "linux-armv7": "linux-arm",
    "linux-riscv64": "linux-riscv64",
    "windows-x86_64": "win32-x86-64",
    "windows-i686": "win32-x86",
    "macos-x86_64": "darwin-x86-64",
    "macos-arm64": "darwin-aarch64",
    "android-arm64-v8a": "lib/arm64-v8a",
    "android-armeabi-v7a": "lib/armeabi-v7a",
    "android-x86_64": "lib/x86_64",
    "android-x86": "lib/x86",
}
POM = f"""\
<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>{GROUP}</groupId>
  <artifactId>{NAME}</artifactId>
  <version>{VERSION}</version>
  <name>{NAME}</name>
  <description>{SUMMARY}</description>
  <licenses><license><name>MIT</name></license></licenses>
  <dependencies>
    <dependency><groupId>net.java.dev.jna</groupId><artifactId>jna</artifactId><version>5.13.0</version></dependency>
  </dependencies>
</project>
"""


def pack(natives, out):
    jna = Path(os.environ.get("JNA_JAR", "/usr/share/java/jna.jar"))
    if not jna.exists():
        sys.exit(f"no {jna}: set JNA_JAR, or install libjna-java")
    sources = tree(HERE / "src", "**/*.java")
    with tempfile.TemporaryDirectory() as work:
        command = ["javac", "--release", "11", "-Xlint:all,-options", "-Werror", "-g", "-cp", jna, "-d", work, *sources.values()]
        subprocess.check_call(command)
        manifest = f"Manifest-Version: 1.0\r\nAutomatic-Module-Name: {GROUP}.{NAME}\r\nImplementation-Version: {VERSION}\r\n\r\n"
        classes = {"META-INF/MANIFEST.MF": manifest, "META-INF/LICENSE": LICENSE, **tree(work, "**/*.class")}
        for name, folder in FOLDERS.items():
            if name in natives:
                library = natives.file(name, "shared")
                classes[f"{folder}/{library.name}"] = library
        folder = out / "maven" / GROUP.replace(".", "/") / NAME / VERSION
        base = f"{NAME}-{VERSION}"
        write_zip(folder / f"{base}.jar", classes)
    write_zip(folder / f"{base}-sources.jar", {"META-INF/LICENSE": LICENSE, **sources})
    write(folder / f"{base}.pom", POM)
    for path in list(folder.iterdir()):
        write(folder / f"{path.name}.sha1", hashlib.sha1(content(path)).hexdigest())
