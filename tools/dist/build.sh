#!/usr/bin/env bash
# Builds the library for every platform into one folder, without any vendor's SDK.
#
#   tools/dist/build.sh [--out DIR] [--twice] [NAME ...]
#
# NAME is a line of targets.txt; without one, all. For each: include/ and lib/ as `pack` writes them, and a shared library
# linked from the archive. Beside them: universal files for Apple's machines, SHA256SUMS, and a bill of materials. With
# --twice everything is built again from a copy of the sources in another folder, and must be the same to the byte.
#
# `core` comes from source, so the compiler is Debian's (rustc-web, cargo-web, rust-web-src), or what RUST_FOR_MACHINES and
# CARGO_FOR_MACHINES name. C compiler and linker are zig, from the folder of a Python environment that DIST_TOOLS names:
#
#   python3 -m venv target/dist-tools
#   target/dist-tools/bin/pip install -r tools/dist/requirements.txt
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/tools/dist
work=${DIST_WORK:-${CARGO_TARGET_DIR:-$root/target}/dist-work}
export DIST_TOOLS=${DIST_TOOLS:-$root/target/dist-tools}
export ZIG_PYTHON=$DIST_TOOLS/bin/python
export RUSTC=${RUST_FOR_MACHINES:-/usr/bin/rustc} CARGO=${CARGO_FOR_MACHINES:-/usr/bin/cargo} RUSTC_BOOTSTRAP=1
# The oldest systems of Apple, as in targets.txt. SDKROOT keeps the build from asking Xcode.
export MACOSX_DEPLOYMENT_TARGET=11.0 SDKROOT=$root/tools/machines/headers
# The date in files for Windows and in the bill of materials: that of the sources.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || echo 1)}
export SOURCE_DATE_EPOCH
unset CC CFLAGS RUSTFLAGS CARGO_BUILD_TARGET KCP_PREFIX MAKEFLAGS CARGO_MAKEFLAGS

# Sets `rust` and `zig` for a name.
describe() {
    read -r rust zig < <(sed -n "s/^$1  *//p" "$here/targets.txt") || {
        echo "no $1; there are: $(names)" >&2
        exit 2
    }
}

names() { sed '/^#/d; s/ .*//' "$here/targets.txt" | xargs; }

# cc ARGUMENT ...: zig for the target described.
cc() { ZIG_TARGET=$zig "$here/zig" "$@"; }

build_one() {
    local name=$1 variable flags=""
    describe "$name"
    variable=${rust//-/_}
    [[ $rust != *-ios-sim && $rust != x86_64-apple-ios ]] || export IPHONEOS_DEPLOYMENT_TARGET=14.0
    [[ $rust != aarch64-apple-ios ]] || export IPHONEOS_DEPLOYMENT_TARGET=12.0
    # On 32-bit ARM, tables for unwinding name a function of the unwinder, which the library does without.
    [[ $rust != armv7* ]] || flags=-Cforce-unwind-tables=no
    # The C part is compiled against a few declarations, for all machines the same, so that it asks for vsnprintf() and not for
    # what some system's header makes of that; and stripped, since debugging information
    # names the folder, on Windows a temporary file even.
    ZIG_TARGET=$zig CARGO_TARGET_DIR=$work/$name RUSTFLAGS=$flags env \
        "CC_$variable=$here/zig" "AR_$variable=$here/zig-ar" \
        "CFLAGS_$variable=-s -ffreestanding -fno-unwind-tables -fno-asynchronous-unwind-tables -isystem $SDKROOT" \
        "$work/pack/debug/pack" --static --target "$rust" --out "$out/$name" -- --quiet --locked -Zbuild-std=core >/dev/null
    "link_${name%%-*}" "$out/$name/lib" "$work/$name"
    echo "$name: built"
}

# link_SYSTEM LIB WORK: the shared library, from the archive and all of it. A symbol that nobody has is an error.
link_linux() {
    cc -shared -Wl,--whole-archive "$1/libkcp.a" -Wl,--no-whole-archive -Wl,-z,defs -Wl,-soname,libkcp.so \
        -Wl,--gc-sections -Wl,-s -o "$1/libkcp.so"
}

link_musl() { link_linux "$@"; }

# Against a libc.so of the names it takes, which the system's has as well. Pages of 16 KB are what Android 15 asks for.
link_android() {
    local function functions=(abort free malloc memcmp memcpy memmove memset vsnprintf) division=() keep=()
    [[ $rust != armv7* ]] || functions+=(__aeabi_mem{cpy,move,set,clr}{,4,8})
    if [[ $rust == armv7* || $rust == i686* ]]; then
        # Division comes from Rust's runtime, one object that has a memcpy() too, slower than the system's.
        (cd "$2" && rm -f compiler_builtins-*.o && "$here/zig-ar" x "pack/$rust/release/libkcp.a")
        division=("$2/division.o")
        keep=(--keep-global-symbol={__aeabi_u{i,l}div{,mod},__udiv{,mod}di{3,4},__umoddi3})
        llvm-objcopy "${keep[@]}" "$2"/compiler_builtins-*.o "${division[0]}"
    fi
    for function in "${functions[@]}"; do
        echo "void $function(void) {}"
    done >"$2/libc.c"
    cc -shared -nostdlib -fno-builtin -w -Wl,-soname,libc.so "$2/libc.c" -o "$2/libc.so"
    cc -shared -nostdlib -Wl,--whole-archive "$1/libkcp.a" -Wl,--no-whole-archive "$2/libc.so" "${division[@]}" -Wl,-z,defs \
        -Wl,-soname,libkcp.so -Wl,-z,max-page-size=16384 -Wl,--gc-sections -Wl,-s -o "$1/libkcp.so"
}

# The import library is called as for MSVC as well, whose linker takes it.
link_windows() {
    {
        echo "EXPORTS"
        sed -n 's/^T //p; s/^D \(.*\)/\1 DATA/p' "$root"/tests/golden/symbols*.txt
    } >"$2/kcp.def"
    cc -shared -Wl,--whole-archive "$1/libkcp.a" -Wl,--no-whole-archive "$2/kcp.def" -Wl,--gc-sections -Wl,-s \
        "-Wl,--out-implib=$1/libkcp.dll.a" -o "$1/kcp.dll"
    cp "$1/libkcp.dll.a" "$1/kcp.lib"
    rm -f "$1/kcp.pdb"
}

link_macos() {
    cc -dynamiclib "-Wl,-force_load,$1/libkcp.a" -install_name @rpath/libkcp.dylib -Wl,-x -o "$1/libkcp.dylib"
}

# Programs for iOS hold the library.
link_ios() { :; }

# A module without main() that exports the functions.
link_wasm32() {
    local exports=()
    mapfile -t exports < <(sed -n 's/^T /-Wl,--export=/p' "$root"/tests/golden/symbols*.txt)
    cc -mexec-model=reactor "${exports[@]}" -Wl,--export=malloc -Wl,--export=free -Wl,--whole-archive "$1/libkcp.a" \
        -Wl,--no-whole-archive -Wl,-s -o "$1/kcp.wasm"
}

# universal NAME FILE NAME ...: one file of those of several machines.
universal() {
    local to=$out/$1/lib file=$2 name parts=()
    shift 2
    for name in "$@"; do
        [[ -e $out/$name/lib/$file ]] || return 0
        parts+=("$out/$name/lib/$file")
    done
    mkdir -p "$to"
    cp -R "$out/$name/include" "$to/.."
    "$lipo" -create "${parts[@]}" -output "$to/$file"
}

build_all() {
    mkdir -p "$work" "$out"
    "$CARGO" build --quiet --locked -p pack --manifest-path "$root/pack/Cargo.toml" --target-dir "$work/pack"
    local name
    for name in "${chosen[@]}"; do
        rm -rf "${out:?}/$name"
        echo "$name"
    done | DIST_WORK=$work xargs -P "${DIST_JOBS:-2}" -n 1 "$0" --one --out "$out"
    universal macos-universal libkcp.a macos-x86_64 macos-arm64
    universal macos-universal libkcp.dylib macos-x86_64 macos-arm64
    universal ios-simulator libkcp.a ios-simulator-x86_64 ios-simulator-arm64
    "$ZIG_PYTHON" "$here/sbom.py" "$root" "$("$RUSTC" --version)" >"$out/kcp.cdx.json"
    (cd "$out" && find . -path ./packages -prune -o -type f ! -name SHA256SUMS -print | LC_ALL=C sort | xargs sha256sum >SHA256SUMS)
}

# From a copy of the sources elsewhere, into another folder, with nothing that was compiled before.
build_again() {
    local again=$work/again
    rm -rf "$again"
    mkdir -p "$again/sources"
    tar -C "$root" --exclude=./target --exclude=./dist --exclude=./.git --exclude='*/target' -cf - . | tar -C "$again/sources" -xf -
    DIST_WORK=$again/work "$again/sources/tools/dist/build.sh" --out "$again/dist" "${chosen[@]}" >/dev/null
    (cd "$out" && sha256sum --quiet -c "$again/dist/SHA256SUMS") || exit 1
    echo "built twice: $(wc -l <"$again/dist/SHA256SUMS") files are equal to the byte"
    rm -rf "$again"
}

out=$root/dist twice=false one=false chosen=()
while (($# > 0)); do
    case $1 in
    --out) out=$2 && shift ;;
    --twice) twice=true ;;
    --one) one=true ;; # this script, called by itself
    -*) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" && exit 2 ;;
    *) chosen+=("$1") ;;
    esac
    shift
done
out=$(mkdir -p "$out" && cd "$out" && pwd)

if $one; then
    build_one "${chosen[0]}"
    exit
fi
# Debian's has its version in its name.
lipo=$(compgen -c llvm-lipo | sort -V | tail -1 || true)
for tool in "$RUSTC" "$CARGO" "$ZIG_PYTHON" llvm-objcopy "${lipo:-llvm-lipo}"; do
    command -v "$tool" >/dev/null || { echo "nothing built, missing: $tool" >&2; exit 2; }
done
((${#chosen[@]} > 0)) || read -ra chosen < <(names)
for name in "${chosen[@]}"; do
    describe "$name"
done
build_all
! $twice || build_again
