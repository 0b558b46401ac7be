port=$PWD/dist/packages/vcpkg/kcp
python3 - "$port/vcpkg.json" <<'PY'
import json, re, sys
manifest = json.load(open(sys.argv[1]))
assert set(manifest) <= {"name", "version", "description", "license", "supports"}, manifest  # of those that vcpkg.json may have
assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", manifest["name"]) and re.fullmatch(r"\d+(\.\d+)*", manifest["version"])
PY
play() {
    cmake "-DPORT_DIR=$port" "-DOUT=$PWD/$1" -DLINKAGE="$2" -DSYSTEM="$3" -DARCHITECTURE="$4" -P "$ROOT/packages/vcpkg/run.cmake" >/dev/null
}
for linkage in static dynamic; do
    play installed-$linkage $linkage LINUX x64
    cmake -B build-$linkage -DCMAKE_PREFIX_PATH="$PWD/installed-$linkage" >/dev/null
    cmake --build build-$linkage >/dev/null
    build-$linkage/echo
    # What every port has to have.
    [[ -s installed-$linkage/share/kcp/copyright && -s installed-$linkage/share/kcp/usage ]]
    PKG_CONFIG_PATH=installed-$linkage/lib/pkgconfig pkg-config --exists 'kcp >= 1.7'
done
if [[ -e $port/natives/windows-x86_64 ]]; then
    play windows static WINDOWS x64
    [[ -e windows/bin/kcp.dll && -e windows/lib/kcp.lib && ! -e windows/lib/libkcp.a ]]
fi
if play nowhere static LINUX s390x 2>/dev/null; then exit 1; fi
echo "vcpkg: passed"
