"""A recipe for Conan 2 with the library beside it."""

from pathlib import Path

from common import LICENSE, PROFILE, SUMMARY, VERSION, tree, write

HERE = Path(__file__).parent


def pack(natives, out):
    # Conan's settings do not tell musl, and have no name for a file with several machines.
    names = [name for name in natives if name.split("-")[0] in ("linux", "windows", "macos", "ios", "android") and "simulator" not in name]
    names = [name for name in names if name != "macos-universal"]
    recipe = (HERE / "conanfile.py").read_text()
    for key, value in {"VERSION": VERSION, "SUMMARY": SUMMARY, "TARGETS": " ".join(names), "PROFILE": PROFILE}.items():
        recipe = recipe.replace(f"@{key}@", value)
    files = {"conanfile.py": recipe, "LICENSE": LICENSE}
    for name in names:
        files.update(tree(natives.dist / name, "include/*", "lib/*", prefix=f"natives/{name}/"))
    for name, data in files.items():
        write(out / "conan" / name, data)
