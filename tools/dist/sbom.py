"""Writes the bill of materials, in CycloneDX: sbom.py ROOT "rustc VERSION".

What is in the files: the library's two crates, the crates they use when they run, and Rust's `core`, which is part of every
Rust program. Everything in it follows from its arguments, so that two builds write the same."""

import json
import os
import subprocess
import sys
from datetime import datetime, timezone
from uuid import UUID, uuid5

from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

ROOT = "ikcp"


def main(root, compiler):
    command = [os.environ.get("CARGO", "cargo"), "metadata", "--locked", "--format-version=1"]
    metadata = json.loads(subprocess.check_output(command, cwd=root))
    packages = {package["id"]: package for package in metadata["packages"]}
    used = {
        node["id"]: [dep["pkg"] for dep in node["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
        for node in metadata["resolve"]["nodes"]
    }
    version = compiler.split()[1]
    core = Component(
        type=ComponentType.LIBRARY,
        name="core",
        version=version,
        bom_ref=f"core@{version}",
        licenses=[LicenseExpression("MIT OR Apache-2.0")],
        purl=PackageURL("github", "rust-lang", "rust", version, None, "library/core"),
        description="Rust's core library",
    )

    components = {}

    def component(identity):
        if identity not in components:
            package = packages[identity]
            components[identity] = Component(
                type=ComponentType.LIBRARY,
                name=package["name"],
                version=package["version"],
                bom_ref=f"{package['name']}@{package['version']}",
                licenses=[LicenseExpression(package["license"])],
                purl=PackageURL("cargo", None, package["name"], package["version"]),
                description=package["description"],
            )
        return components[identity]

    (first,) = [identity for identity, package in packages.items() if package["name"] == ROOT]
    bom = Bom()
    waiting = [first]
    seen = set()
    while waiting:
        identity = waiting.pop()
        if identity in seen:
            continue
        seen.add(identity)
        # `libc` is declarations of C's functions; like the others it is written over `core`.
        bom.register_dependency(component(identity), [component(dep) for dep in used[identity]] + [core])
        waiting += used[identity]
    bom.metadata.component = component(first)
    bom.metadata.properties.add(Property(name="compiler", value=compiler))
    bom.metadata.timestamp = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), timezone.utc)
    for other in [*components.values(), core]:
        if other is not bom.metadata.component:
            bom.components.add(other)
    parts = sorted(str(part.purl) for part in [*components.values(), core])
    bom.serial_number = uuid5(UUID(int=0), "\n".join([*parts, compiler]))

    text = JsonV1Dot6(bom).output_as_string(indent=2)
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error:
        sys.exit(f"the bill of materials is not valid: {error}")
    print(text)


main(*sys.argv[1:])
