"""Two packages of the same sources: for NuGet an assembly, compiled by mcs, with the library for each kind of machine; for Unity the sources,
with the library as plugins. Neither NuGet nor Unity is needed; packages/csharp/check.py compares both with the form that they document."""

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from shutil import which

from common import LICENSE, SUMMARY, VERSION, tree, write_tgz, write_zip

HERE = Path(__file__).parent
RUNTIMES = {
    "linux-x86_64": "linux-x64",
    "linux-aarch64": "linux-arm64",
    "linux-armv7": "linux-arm",
    "linux-riscv64": "linux-riscv64",
    "musl-x86_64": "linux-musl-x64",
    "musl-aarch64": "linux-musl-arm64",
    "windows-x86_64": "win-x64",
    "windows-i686": "win-x86",
    "macos-x86_64": "osx-x64",
    "macos-arm64": "osx-arm64",
    "android-arm64-v8a": "android-arm64",
    "android-armeabi-v7a": "android-arm",
    "android-x86_64": "android-x64",
    "android-x86": "android-x86",
}
# Of each plugin: its folder, platform and CPU for the player, system and CPU for the editor that loads it.
PLUGINS = {
    "linux-x86_64": ("Linux/x86_64", ("Standalone", "Linux64"), "x86_64", ("Linux", "x86_64")),
    "windows-x86_64": ("Windows/x86_64", ("Standalone", "Win64"), "x86_64", ("Windows", "x86_64")),
    "windows-i686": ("Windows/x86", ("Standalone", "Win"), "x86", None),
    "macos-universal": ("macOS", ("Standalone", "OSXUniversal"), "AnyCPU", ("OSX", "AnyCPU")),
    "macos-x86_64": ("macOS/x86_64", ("Standalone", "OSXUniversal"), "x86_64", ("OSX", "x86_64")),
    "macos-arm64": ("macOS/arm64", ("Standalone", "OSXUniversal"), "ARM64", ("OSX", "ARM64")),
    "android-arm64-v8a": ("Android/arm64-v8a", ("Android", "Android"), "ARM64", None),
    "android-armeabi-v7a": ("Android/armeabi-v7a", ("Android", "Android"), "ARMv7", None),
    "android-x86_64": ("Android/x86_64", ("Android", "Android"), "X86_64", None),
    "ios-arm64": ("iOS", ("iPhone", "iOS"), "AnyCPU", None),
}
PLATFORMS = ["Android", "Editor", "Linux64", "OSXUniversal", "WebGL", "Win", "Win64", "iOS"]


def pack(natives, out):
    nuget(natives, out)
    unity(natives, out)


def nuget(natives, out):
    if not which("mcs"):
        sys.exit("no mcs: install mono-mcs")
    with tempfile.TemporaryDirectory() as work:
        # Against mscorlib and System alone, which are in .NET Framework, and in .NET as assemblies that lead on to where things are now.
        assembly, documents = Path(work, "Ikcp.dll"), Path(work, "Ikcp.xml")
        info = Path(work, "AssemblyInfo.cs")
        info.write_text(f'[assembly: System.Reflection.AssemblyVersion("{VERSION}.0")]\n')
        sources = [info, *tree(HERE / "Runtime", "*.cs").values()]
        command = ["mcs", "-langversion:7.2", "-unsafe", "-optimize", "-warnaserror", "-target:library", f"-out:{assembly}"]
        subprocess.check_call([*command, *sources])
        # What differs with each compilation is the identity of the module and a time.
        files = {"lib/netstandard2.0/Ikcp.dll": settled(assembly.read_bytes())}
    files["LICENSE"] = LICENSE
    for name, runtime in RUNTIMES.items():
        if name in natives:
            library = natives.file(name, "shared")
            files[f"runtimes/{runtime}/native/{library.name}"] = library
    nuspec = f"""\
<?xml version="1.0" encoding="utf-8"?>
<package xmlns="http://schemas.microsoft.com/packaging/2013/05/nuspec.xsd">
  <metadata>
    <id>Ikcp</id>
    <version>{VERSION}</version>
    <authors>the authors of ikcp</authors>
    <license type="expression">MIT</license>
    <description>{SUMMARY}</description>
    <tags>kcp udp network game</tags>
    <dependencies>
      <group targetFramework=".NETStandard2.0" />
    </dependencies>
  </metadata>
</package>
"""
    kinds = sorted({Path(name).suffix[1:] for name in files if Path(name).suffix} | {"nuspec", "rels"})
    defaults = "".join(f'  <Default Extension="{kind}" ContentType="{content_type(kind)}" />\n' for kind in kinds)
    head = '<?xml version="1.0" encoding="utf-8"?>\n'
    parts = {
        "_rels/.rels": head + '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">\n'
        '  <Relationship Type="http://schemas.microsoft.com/packaging/2010/07/manifest" Target="/Ikcp.nuspec" Id="R1" />\n'
        "</Relationships>\n",
        "Ikcp.nuspec": nuspec,
        **files,
        "[Content_Types].xml": head + '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">\n'
        + defaults
        + '  <Override PartName="/LICENSE" ContentType="text/plain" />\n</Types>\n',
    }
    write_zip(out / f"Ikcp.{VERSION}.nupkg", parts)


def content_type(kind):
    return "application/vnd.openxmlformats-package.relationships+xml" if kind == "rels" else "application/octet"


def settled(assembly):
    """The assembly with a time and an identity that follow from its content: two builds are then the same."""
    data = bytearray(assembly)
    pe = int.from_bytes(data[0x3C:0x40], "little")
    data[pe + 8 : pe + 12] = bytes(4)
    # The heap of GUIDs has one, that of the module.
    at = data.index(b"#GUID\0") - 8
    root = data.index(b"BSJB")
    guid = root + int.from_bytes(data[at : at + 4], "little")
    data[guid : guid + 16] = bytes(16)
    data[guid : guid + 16] = hashlib.sha256(data).digest()[:16]
    return bytes(data)


def unity(natives, out):
    manifest = {
        "name": "com.example.ikcp",
        "version": VERSION,
        "displayName": "ikcp",
        "description": SUMMARY,
        "unity": "2019.4",
        "license": "MIT",
        "author": {"name": "the authors of ikcp"},
        "samples": [{"displayName": "Echo", "description": "A server and a client that talk to each other", "path": "Samples~/Echo"}],
    }
    files = {
        "package.json": json.dumps(manifest, indent=2) + "\n",
        "LICENSE.md": LICENSE,
        **tree(HERE / "Runtime", "*.cs", "*.asmdef", prefix="Runtime/"),
        **tree(HERE / "Samples~", "*/*", prefix="Samples~/"),
    }
    plugins = {}
    for name, plugin in PLUGINS.items():
        if name not in natives or (name.startswith("macos-") and name != "macos-universal" and "macos-universal" in natives):
            continue
        library = natives.file(name, "static" if name.startswith("ios") else "shared")
        path = f"Plugins/{plugin[0]}/{library.name}"
        files[path] = library
        plugins[path] = plugin
    for path in [*files, *folders(files)]:
        files[f"{path}.meta"] = meta(path, plugins.get(path), path in files)
    write_tgz(out / f"com.example.ikcp-{VERSION}.tgz", {f"package/{name}": data for name, data in files.items()})


def folders(files):
    """Those that Unity sees: not Samples~, which it copies when the user asks for it."""
    return sorted({str(parent) for name in files for parent in Path(name).parents if str(parent) not in (".", "Samples~")})


def meta(path, plugin, is_file):
    """What Unity keeps beside each file. The identity follows from the path, so that it stays the same."""
    guid = hashlib.md5(f"com.example.ikcp/{path}".encode()).hexdigest()
    rest = "  userData: \n  assetBundleName: \n  assetBundleVariant: \n"
    head = f"fileFormatVersion: 2\nguid: {guid}\n"
    if not is_file:
        return head + "folderAsset: yes\nDefaultImporter:\n  externalObjects: {}\n" + rest
    if plugin:
        return head + importer(plugin) + rest
    kind = Path(path).suffix
    if kind == ".cs":
        settings = "  serializedVersion: 2\n  defaultReferences: []\n  executionOrder: 0\n  icon: {instanceID: 0}\n"
        return head + "MonoImporter:\n  externalObjects: {}\n" + settings + rest
    names = {".asmdef": "AssemblyDefinitionImporter", ".json": "PackageManifestImporter", ".md": "TextScriptImporter"}
    return head + f"{names[kind]}:\n  externalObjects: {{}}\n" + rest


def importer(plugin):
    _, (group, platform), cpu, editor = plugin
    enabled = {platform} | ({"Editor"} if editor else set())
    text = (
        "PluginImporter:\n  externalObjects: {}\n  serializedVersion: 2\n  iconMap: {}\n  executionOrder: {}\n  defineConstraints: []\n"
        "  isPreloaded: 0\n  isOverridable: 0\n  isExplicitlyReferenced: 0\n  validateReferences: 1\n  platformData:\n"
        "  - first:\n      : Any\n    second:\n      enabled: 0\n      settings:\n"
    )
    text += "".join(f"        Exclude {name}: {0 if name in enabled else 1}\n" for name in PLATFORMS)
    text += "  - first:\n      Any: \n    second:\n      enabled: 0\n      settings: {}\n"
    settings = f"        CPU: {editor[1] if editor else 'AnyCPU'}\n        DefaultValueInitialized: true\n"
    settings += f"        OS: {editor[0] if editor else 'AnyOS'}\n"
    text += f"  - first:\n      Editor: Editor\n    second:\n      enabled: {1 if editor else 0}\n      settings:\n{settings}"
    settings = f"        CPU: {cpu}\n" + ("        AddToEmbeddedBinaries: false\n" if group == "iPhone" else "")
    return text + f"  - first:\n      {group}: {platform}\n    second:\n      enabled: 1\n      settings:\n{settings}"
