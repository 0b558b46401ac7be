#!/usr/bin/env python3
"""Tries the packages as a user would: the lines of docs/packages.md, in an empty folder and without a network.

    packages/try.py [--dist DIR] [NAME ...]

NAME is a folder beside this file; without names, all. They mostly wait, so twice as many are tried at once as there are cores. For each
section of the page: its files are written, its commands run, and what they print must have the echo. Before that packages/NAME/before.sh
runs, after it packages/NAME/test.sh, both in the same folder with ROOT as the root of the repository, and last the lines of
examples/NAME/README.md, as far as there are such files."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
# Conan, from requirements.txt
TOOLS = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute() / "package-tools/bin"
# The slowest first.
SECTIONS = {
    "Lua": "lua",
    "Node.js": "node",
    "Java": "java",
    "Python": "python",
    "Go": "go",
    "C# and Unity": "csharp",
    "Debian and Ubuntu": "deb",
    "Conan": "conan",
    "vcpkg": "vcpkg",
}
# What calls the library in each language.
BINDINGS = [
    "python/ikcp/_native.py",
    "node/addon.c",
    "go/kcp.go",
    "java/src/com/example/ikcp/Library.java",
    "csharp/Runtime/Native.cs",
    "lua/core.c",
]
# Sections whose files a section uses.
FILES_OF = {"conan": ["Debian and Ubuntu"], "vcpkg": ["Debian and Ubuntu", "Conan"]}


def blocks(text):
    """The code blocks of a text: language, content, and the name in backquotes that stands last before the block."""
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S):
        names = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text[: match.start()], flags=re.S))
        yield match[1], match[2], names[-1] if names else None


def run(script, folder, environment, seconds=900):
    """What a script prints. It must end well."""
    root = [environment["IKCP_ROOT"]] if environment["IKCP_ROOT"] else []
    done = subprocess.run(
        [*root, "timeout", str(seconds), "bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
    )
    if done.returncode != 0:
        sys.exit(f"{script}\nended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def write(section, folder):
    """The files of a section, but for commands and for what cannot be run here."""
    for language, text, name in blocks(section):
        if language not in ("sh", "text"):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def page(section, folder, environment):
    write(section, folder)
    return "".join(run(text, folder, environment) for language, text, _ in blocks(section) if language == "sh")


def own(name, script, folder, environment):
    """What a script of the package prints, if it has that script."""
    path = HERE / name / script
    if not path.exists():
        return ""
    wrote = run(f'. "{path}"', folder, environment)
    sys.stdout.write(wrote)
    return wrote


def example(name, folder, environment):
    """The lines of an example, in the folder of the page: a server that loses packets, and a client with the package."""
    for part in (name, "server"):
        shutil.copytree(ROOT / "examples" / part, folder / "examples" / part)
    (folder / "include").symlink_to(ROOT / "include")
    readme = (ROOT / "examples" / name / "README.md").read_text()
    lines = next(text for language, text, _ in blocks(readme) if language == "sh")
    wrote = run(f"{lines}\nkill $(jobs -p); wait", folder, environment)
    if not re.search(r"^100 echoes, all equal", wrote, re.M):
        sys.exit(f"{name}: no echoes:\n{wrote}")
    if not re.search(r"^[1-9]\d* of \d+ packets were thrown away", wrote, re.M):
        sys.exit(f"{name}: no packet was lost:\n{wrote}")


def complete():
    """Each package has each function of ikcpx.h."""
    functions = re.findall(r"^T (\w+)$", (ROOT / "tests/golden/symbols-extensions.txt").read_text(), re.M)
    for binding in BINDINGS:
        text = (HERE / binding).read_text()
        missing = [function for function in functions if not re.search(rf"\b{function}\b", text)]
        if missing:
            sys.exit(f"packages/{binding} lacks {' '.join(missing)}")


def apart(name, dist):
    """Runs this program for one package, in a namespace with nothing but the loopback interface."""
    own = ["unshare", "-n" if os.geteuid() == 0 else "-rn", "sh", "-c", 'ip link set lo up && exec "$0" "$@"']
    command = [*own, sys.executable, __file__, "--dist", dist, name]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, errors="replace")


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--dist", default=ROOT / "dist", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME")
    given = parser.parse_args()
    given.dist = given.dist.resolve()
    names = given.names or list(SECTIONS.values())
    unknown = set(names) - set(SECTIONS.values())
    if unknown:
        parser.error(f"no package {' '.join(unknown)}; there are: {' '.join(SECTIONS.values())}")
    if os.environ.get("IKCP_NETWORK") != "off":
        complete()
        os.environ.update(IKCP_NETWORK="off", IKCP_USER=str(os.geteuid()))
        failed = False
        with ThreadPoolExecutor(2 * os.cpu_count()) as pool:
            for done in pool.map(lambda name: apart(name, given.dist), names):
                print(done.stdout, end="", flush=True)
                failed |= done.returncode != 0
        sys.exit(failed)

    text = (ROOT / "docs/packages.md").read_text()
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.M | re.S))
    for title, name in SECTIONS.items():
        if name not in names:
            continue
        if name == "deb" and os.environ["IKCP_USER"] != "0":
            print("deb: not tried, as only root may install")
            continue
        start = time.monotonic()
        work = Path(tempfile.mkdtemp(prefix=f"ikcp-{name}-"))
        folder = work / "empty"
        folder.mkdir()
        (folder / "dist").symlink_to(given.dist)
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("CARGO", "RUST", "PYTHON", "GO", "npm_"))},
            "HOME": str(work),
            "PATH": f"{TOOLS}:{os.environ['PATH']}",
            "MAVEN_OPTS": f"-Duser.home={work}",
            "GOCACHE": str(Path.home() / ".cache/go-build"),  # of what was compiled, not of modules
            "ROOT": str(ROOT),
            "IKCP_ROOT": str(HERE / name / "root.sh") if (HERE / name / "root.sh").exists() else "",
        }
        own(name, "before.sh", folder, environment)
        for other in FILES_OF.get(name, []):
            write(sections[other], folder)
        wrote = page(sections[title], folder, environment)
        tested = own(name, "test.sh", folder, environment)
        if not re.search(r"passed|^ok\s", tested, re.M):
            sys.exit(f"{name}: the test stopped early, without an error:\n{tested}")
        wrote += tested
        if "hello" not in wrote:
            sys.exit(f"{name}: no echo:\n{wrote}")
        if (ROOT / "examples" / name / "README.md").exists():
            example(name, folder, environment)
        shutil.rmtree(work, onerror=make_writable)
        print(f"{name}: works, {time.monotonic() - start:.0f} s", flush=True)


def make_writable(function, path, _):
    """Go's modules are read-only."""
    os.chmod(os.path.dirname(path), 0o755)
    os.chmod(path, 0o755)
    function(path)


main()
