#!/usr/bin/env bash
# The client of examples/stack for other systems: built for Windows with libsodium from source, and run under wine against a server on
# this machine; compiled for macOS.
#
#   tools/machines/clients.sh [--require]
#
# A tool that is missing is named and its part left out; with --require that is a failure. The client for Windows is a program that
# needs nothing beside it: target/machines/stack/talk.exe, and stackclient.dll for other languages.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
target_dir=${CARGO_TARGET_DIR:-$root/target}/machines
work=$target_dir/stack
stack=$root/examples/stack
tools=x86_64-w64-mingw32
require=${1:-}
warnings=(-Wall -Wextra -Werror)

have() { command -v "$1" >/dev/null; }

missing() {
    echo "$1 is missing: $2"
    [[ $require != --require ]] || exit 1
}

# The units of a client, as the Makefile has them.
units() {
    local unit
    for unit in $(make -s -C "$stack" client-units); do echo "$stack/$unit.c"; done
}

# From the source that a crate brings along, since a Debian has it for this machine only.
sodium() {
    local built=$work/libsodium source
    [[ -e $built/lib/libsodium.a ]] && return
    cargo fetch --quiet --locked --manifest-path "$root/tools/machines/libsodium/Cargo.toml"
    source=$(cargo metadata --locked --format-version 1 --manifest-path "$root/tools/machines/libsodium/Cargo.toml" |
        python3 -c 'import json, os, sys
for package in json.load(sys.stdin)["packages"]:
    if package["name"] == "libsodium-sys-stable":
        print(os.path.join(os.path.dirname(package["manifest_path"]), "LATEST.tar.gz"))')
    rm -rf "$work/libsodium-source"
    mkdir -p "$work/libsodium-source"
    tar -xzf "$source" -C "$work/libsodium-source" --strip-components=1
    (
        cd "$work/libsodium-source"
        ./configure --quiet --host=$tools --disable-shared --enable-static --prefix="$built" >configure.txt 2>&1
        make --silent -j2 install >make.txt 2>&1
    ) || { tail "$work"/libsodium-source/{configure,make}.txt; exit 1; }
    rm -rf "$work/libsodium-source"
}

windows() {
    local wine library object objects=() unit
    wine=$(command -v wine64 || command -v wine || echo /usr/lib/wine/wine64)
    # The library for Windows is what run.sh builds.
    library=$target_dir/x86_64-pc-windows-gnu/release/libkcp.a
    [[ -e $library ]] || "$root/tools/machines/run.sh" windows
    sodium
    for unit in $(units); do
        object=$work/$(basename "$unit" .c).obj
        $tools-gcc -std=c99 -O2 "${warnings[@]}" -DREMOTE_SHARED -DSODIUM_STATIC -I"$work/libsodium/include" -I"$root/include" \
            -I"$stack" -c "$unit" -o "$object"
        objects+=("$object")
    done
    $tools-g++ -std=c++17 -O2 "${warnings[@]}" -DSODIUM_STATIC -I"$work/libsodium/include" -I"$root/include" -I"$stack" -static \
        "$stack/languages/talk.cpp" "${objects[@]}" "$library" "$work/libsodium/lib/libsodium.a" -lws2_32 -o "$work/talk.exe"
    $tools-gcc -shared -static "${objects[@]}" "$library" "$work/libsodium/lib/libsodium.a" -lws2_32 -o "$work/stackclient.dll"
    if ! have "$wine"; then
        missing wine "the client for Windows is built and not run"
        return
    fi
    talk "$wine" "$work/talk.exe"
    echo "windows: a client logs in, and is heard on each channel"
}

# Runs a client against a server of this machine.
talk() {
    local port key server
    cargo build --quiet --release --locked --manifest-path "$root/Cargo.toml"
    make --silent -C "$stack" BUILD="$work/server" "$work/server/server"
    port=$(python3 -c 'import socket
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
print(listener.getsockname()[1])')
    rm -f "$work/key"
    key=$("$work/server/server" key "$work/key")
    "$work/server/server" "$port" "$work/key" sesame >"$work/server.txt" &
    server=$!
    # shellcheck disable=SC2064
    trap "kill $server 2>/dev/null || true; stop_wine" EXIT
    sleep 1
    WINEPREFIX=$work/wine WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml=' \
        timeout 120 "$@" 127.0.0.1 "$port" "$key" somebody sesame
}

stop_wine() {
    WINEPREFIX=$work/wine "$(command -v wineserver || echo /usr/lib/wine/wineserver)" -k 2>/dev/null || true
}

macos() {
    local target unit python=$root/target/dist-tools/bin/python
    for target in aarch64-macos x86_64-macos; do
        for unit in $(units); do
            "$python" -m ziglang cc -target $target -std=c99 -O2 "${warnings[@]}" -I"$work/libsodium/include" -I"$root/include" \
                -I"$stack" -c "$unit" -o "$work/$target.o"
        done
    done
    echo "macOS: the units of the client compile"
}

mkdir -p "$work"
if have $tools-gcc && have $tools-g++; then
    windows
    # With the headers of libsodium that were made for Windows, which differ in nothing.
    if [[ -x $root/target/dist-tools/bin/python ]]; then
        macos
    else
        missing "zig (target/dist-tools)" "nothing is compiled for macOS"
    fi
else
    missing "$tools-g++" "nothing is built for Windows or macOS"
fi
