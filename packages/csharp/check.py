"""Compares both packages with the form that NuGet and Unity document, as neither tool is here: check.py NUPKG TGZ."""

import json
import re
import sys
import tarfile
import zipfile
from pathlib import PurePosixPath
from xml.etree import ElementTree

RIDS = re.compile(r"(win|linux|linux-musl|osx|android|ios)-(x64|x86|arm|arm64|riscv64)")


def nuget(path):
    with zipfile.ZipFile(path) as package:
        names = package.namelist()
        assert package.testzip() is None and len(set(names)) == len(names)
        # Open Packaging Conventions: a relationship leads to the manifest, and each part has a content type.
        (relation,) = ElementTree.fromstring(package.read("_rels/.rels"))
        assert relation.get("Type") == "http://schemas.microsoft.com/packaging/2010/07/manifest"
        manifest = relation.get("Target").lstrip("/")
        types = ElementTree.fromstring(package.read("[Content_Types].xml"))
        extensions = {entry.get("Extension") for entry in types}
        overrides = {entry.get("PartName") for entry in types}
        for name in names:
            if name != "[Content_Types].xml":
                assert name.rpartition(".")[2] in extensions or f"/{name}" in overrides, f"{name} has no content type"
        space = "{http://schemas.microsoft.com/packaging/2013/05/nuspec.xsd}"
        metadata = ElementTree.fromstring(package.read(manifest)).find(f"{space}metadata")
        fields = {entry.tag.replace(space, ""): entry.text for entry in metadata}
        assert {"id", "version", "authors", "description", "license"} <= set(fields), fields
        assert f"{fields['id']}.{fields['version']}.nupkg" == PurePosixPath(path).name
        natives = [name for name in names if name.startswith("runtimes/")]
        assert natives and all(RIDS.fullmatch(name.split("/")[1]) and name.split("/")[2] == "native" for name in natives), natives
        assert "lib/netstandard2.0/Ikcp.dll" in names


def unity(path):
    with tarfile.open(path) as package:
        names = {entry.name for entry in package if entry.name != "package"}
        text = {name: package.extractfile(name).read().decode() for name in names if re.search(r"\.(meta|json|asmdef)$", name)}
    manifest = json.loads(text["package/package.json"])
    assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", manifest["name"]) and re.fullmatch(r"\d+\.\d+\.\d+", manifest["version"])
    assert re.fullmatch(r"\d{4}\.\d", manifest["unity"]) and manifest["displayName"] and manifest["description"]
    for sample in manifest["samples"]:
        assert f"package/{sample['path']}" in names, sample
    # Each file and folder that Unity sees has a .meta, and no .meta is left over; identities are unique.
    seen = {name for name in names if not name.endswith(".meta") and name != "package/Samples~"}
    assert {f"{name}.meta" for name in seen} == {name for name in names if name.endswith(".meta")}
    guids = [re.search(r"^guid: ([0-9a-f]{32})$", text[name], re.M)[1] for name in text if name.endswith(".meta")]
    assert len(set(guids)) == len(guids)
    asmdef = json.loads(text["package/Runtime/Ikcp.asmdef"])
    assert asmdef["name"] == "Ikcp" and asmdef["allowUnsafeCode"]
    plugins = [name for name in names if re.search(r"\.(so|dll|dylib|a)$", name)]
    assert plugins
    editors = []
    for name in plugins:
        importer = text[f"{name}.meta"]
        assert "PluginImporter:" in importer
        # For every player but its own the plugin is excluded.
        platforms = re.findall(r"Exclude (\w+): ([01])", importer)
        own = [platform for platform, excluded in platforms if excluded == "0" and platform != "Editor"]
        enabled = re.findall(r"- first:\n      (\w+): (\w+)\n    second:\n      enabled: (\d)", importer)
        assert len(own) == 1 and any(platform == own[0] and on == "1" for _, platform, on in enabled), (name, own, enabled)
        if ("Editor", "0") in platforms:
            settings = r"Editor: Editor\n    second:\n      enabled: 1\n      settings:\n        CPU: (\w+)\n.*\n        OS: (\w+)"
            editors.append(re.search(settings, importer).groups())
    assert len(set(editors)) == len(editors), f"two plugins for one editor: {editors}"


nuget(sys.argv[1])
unity(sys.argv[2])
print("csharp: the files have the form that NuGet and Unity document")
