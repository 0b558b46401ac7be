#!/usr/bin/env bash
# Checks what build.sh wrote: each file as a file, and the programs of c-tests with those that this machine can run.
#
#   tools/dist/check.sh [DIR] [NAME ...]
#
# Without names, all that lie in the folder, which is dist/ unless given. As files: format, exported symbols, what they ask
# for, names inside, oldest system. Running: Linux here or under qemu, 64-bit Windows under wine, WebAssembly under node; each
# program is linked by zig against the file as it is. What is missing for that is a failure.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/tools/dist
dist=$(cd "${1:-$root/dist}" && pwd)
shift || true
export ZIG_PYTHON=${DIST_TOOLS:-$root/target/dist-tools}/bin/python
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
golden=$work/golden
LC_ALL=C sort -k2 "$root"/tests/golden/symbols*.txt >"$golden"
# Names in C that any of the files may ask for: memory, vsnprintf() as C libraries call it, and arithmetic that compilers
# leave to their own library on machines of 32 bits.
asked='abort|bcmp|(__)?bzero|free|malloc|mem(cmp|cpy|move|set)|(__)?vsnprintf(_chk)?|__aeabi_[a-z0-9_]+|__u?(div|mod|divmod)[ds]i[34]|__multi3|__(stack_pointer|indirect_function_table)|_GLOBAL_OFFSET_TABLE_'

fail() {
    echo "$name: $*" >&2
    exit 1
}

cc() { ZIG_TARGET=$zig "$here/zig" "$@"; }

# The names of the golden list against those on standard input.
same_names() {
    diff <(cut -d' ' -f2 "$golden" | LC_ALL=C sort) <(LC_ALL=C sort) >"$work/diff" || fail "$1: $(cat "$work/diff")"
}

# has TEXT COMMAND ...: the output of a command has a line with the text.
has() {
    local text=$1 found
    shift
    found=$("$@" 2>&1) || fail "$*: $found"
    grep -qE -- "$text" <<<"$found" || fail "no $text in: $* $found"
}

# Every member is of the format, defines the public names, and asks for what a C library has.
archive() {
    local format=$1 underscore=$2 file=$lib/libkcp.a found
    found=$(llvm-readobj --file-headers "$file" | sed -n 's/^Format: //p' | sort -u)
    [[ $found == "$format" ]] || fail "libkcp.a is $found, not $format"
    [[ $(stat -c %s "$file") -lt 200000 ]] || fail "libkcp.a has $(stat -c %s "$file") bytes"
    llvm-nm -gP --defined-only "$file" | sed -n "s/^$underscore\(i\|I\)/\1/p" | cut -d' ' -f1 | grep -vE '^ikcp_log(_shim|\.o:)$' |
        same_names libkcp.a
    found=$(llvm-nm -gP --undefined-only "$file" | grep ' U' | cut -d' ' -f1 | grep -vE "^$underscore($asked|ikcp_log_shim)$" || true)
    [[ -z $found ]] || fail "libkcp.a needs $found"
}

# elf FORMAT NEEDED: the shared object, with what it may need.
elf() {
    local file=$lib/libkcp.so found
    archive "$1" ""
    has "^Format: $1$" llvm-readobj --file-headers "$file"
    llvm-nm -DP --defined-only "$file" | cut -d' ' -f1 | sed 's/@.*//' | same_names libkcp.so
    has 'LoadName: libkcp.so$' llvm-readobj --needed-libs "$file"
    found=$(llvm-readobj --needed-libs "$file" | sed -n '/^NeededLibraries/,$p' | grep '\.so' | grep -vE "^ *($2)$" || true)
    [[ -z $found ]] || fail "libkcp.so needs $found"
}

# No symbol of a version of glibc that came later.
glibc() {
    local newest
    newest=$(llvm-readobj --version-info "$lib/libkcp.so" | grep -oE 'GLIBC_[0-9.]+' | sort -uV | tail -1)
    [[ $(printf '%s\n' "$newest" "GLIBC_$1" | sort -V | tail -1) == "GLIBC_$1" ]] || fail "libkcp.so needs $newest"
}

# macho FILE MINIMUM FORMAT: oldest system and format of a file of Apple's machines.
macho() {
    has "^Format: $3$" llvm-readobj --file-headers "$1"
    has "Version: $2$" llvm-readobj --macho-version-min "$1"
}

check_dylib() {
    macho "$lib/libkcp.dylib" "$1" "$2"
    # Beside ours are two that name the file's own beginning, which zig's linker shows.
    llvm-nm -gUP "$lib/libkcp.dylib" | cut -d' ' -f1 | sed 's/^_//; /^__dso_handle$/d; /^_mh_dylib_header$/d' |
        same_names libkcp.dylib
    has '^@rpath/libkcp.dylib$' llvm-objdump --macho --dylib-id "$lib/libkcp.dylib"
    found=$(llvm-objdump --macho --dylibs-used "$lib/libkcp.dylib" | grep '^\s' | grep -vE '@rpath/libkcp|/usr/lib/libSystem.B' || true)
    [[ -z $found ]] || fail "libkcp.dylib needs $found"
}

windows() {
    archive "$1" "$2"
    has "^Format: $1$" llvm-readobj --file-headers "$lib/kcp.dll"
    llvm-readobj --coff-exports "$lib/kcp.dll" | sed -n 's/^ *Name: \([iI]\)/\1/p' | same_names kcp.dll
    found=$(llvm-readobj --coff-imports "$lib/kcp.dll" | sed -n 's/^ *Name: //p' | grep -viE '^(kernel32|api-ms-win-crt-.*)\.dll$' || true)
    [[ -z $found ]] || fail "kcp.dll needs $found"
    has 'kcp.dll$' llvm-readobj --file-headers "$lib/kcp.lib"
    cmp "$lib/kcp.lib" "$lib/libkcp.dll.a" || fail "the import libraries differ"
}

# programs COMMAND ...: all functions and all constants, linked with each file; the command, which may be empty, starts a
# program. What is behind them runs on other machines in tools/machines/run.sh.
programs() {
    local library program output
    for library in "${libraries[@]}"; do
        for program in functions included; do
            cc -O1 -I "$dist/$name/include" -I "$root/c-tests" "$root/c-tests/$program.c" "$library" "${options[@]}" \
                -o "$work/$program.$ending"
            output=$(cd "$work" && timeout 300 "$@" "$work/$program.$ending" 2>&1 | tr -d '\r') ||
                fail "$program with ${library##*/}: $output"
            echo "  $name, ${library##*/}: ${output##*$'\n'}"
        done
    done
}

# linked LIBRARY OPTION ...: a program is made, and not run.
linked() {
    local library=$1
    shift
    cc -O1 -I "$dist/$name/include" -I "$root/c-tests" "$root/c-tests/functions.c" "$library" "$@" -o "$work/linked"
}

check() {
    lib=$dist/$name/lib options=() ending=exe found=''
    libraries=("$lib/libkcp.a" "$lib/libkcp.so")
    read -r _ zig < <(sed -n "s/^$name  *//p" "$here/targets.txt") || true
    case $name in
    linux-*)
        elf "$format" 'libc\.so\.6|ld-linux[a-z0-9_-]*\.so\.[0-9]'
        glibc "${zig#*gnu*.}"
        # shellcheck disable=SC2086 # no emulator at all on this machine
        LD_LIBRARY_PATH=$lib programs $emulator
        ;;
    musl-*)
        elf "$format" 'libc\.so'
        # Nothing here runs a program that loads musl.
        linked "$lib/libkcp.so"
        libraries=("$lib/libkcp.a") options=(-static)
        # shellcheck disable=SC2086
        programs $emulator
        ;;
    windows-*)
        windows "$format" "$underscore"
        linked "$lib/libkcp.dll.a"
        linked "$lib/libkcp.a"
        [[ $name == windows-x86_64 ]] || return 0
        libraries=("$lib/libkcp.a" "$lib/libkcp.dll.a")
        export WINEPREFIX=$work/wine WINEPATH=$lib WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml='
        programs "$(command -v wine64 || command -v wine || echo /usr/lib/wine/wine64)"
        microsoft
        "$(command -v wineserver || echo /usr/lib/wine/wineserver)" -k || true
        ;;
    macos-universal)
        for arch in x86_64 arm64; do
            for file in libkcp.a libkcp.dylib; do
                "$(compgen -c llvm-lipo | sort -V | tail -1)" "$lib/$file" -thin "$arch" -output "$work/$file"
                cmp "$work/$file" "$dist/macos-$arch/lib/$file" || fail "$file is not that of $arch"
            done
        done
        ;;
    macos-*)
        archive "$format" _
        check_dylib 11.0 "$format"
        macho "$lib/libkcp.a" 11.0 "$format"
        linked "$lib/libkcp.dylib"
        linked "-Wl,-force_load,$lib/libkcp.a"
        has 'Mach-O' llvm-readobj --file-headers "$work/linked"
        ;;
    ios-simulator)
        for arch in x86_64 arm64; do
            "$(compgen -c llvm-lipo | sort -V | tail -1)" "$lib/libkcp.a" -thin "$arch" -output "$work/libkcp.a"
            cmp "$work/libkcp.a" "$dist/ios-simulator-$arch/lib/libkcp.a" || fail "libkcp.a is not that of $arch"
        done
        ;;
    ios-*)
        archive "$format" _
        macho "$lib/libkcp.a" "$minimum" "$format"
        has "Platform: $platform$" llvm-readobj --macho-version-min "$lib/libkcp.a"
        ;;
    android-*)
        elf "$format" 'libc\.so'
        # The system's, which is faster than a compiler's.
        has '^(__aeabi_)?memcpy U' llvm-nm -DP --undefined-only "$lib/libkcp.so"
        [[ $(llvm-readobj --program-headers "$lib/libkcp.so" | awk '/Type: PT_LOAD/ { on = 1 } on && /Alignment/ { print $2; on = 0 }' |
            sort -u) == 16384 ]] || fail "libkcp.so has other pages than of 16 KB"
        ;;
    wasm32-*)
        archive WASM ""
        libraries=("$lib/libkcp.a") ending=wasm
        programs node --no-warnings "$here/wasm.mjs" run
        node --no-warnings "$here/wasm.mjs" module "$lib/kcp.wasm" $(sed -n 's/^T //p' "$golden") || fail "kcp.wasm"
        ;;
    esac
}

# A program that clang compiles for MSVC and lld links as Microsoft's linker would, with the import library alone.
microsoft() {
    local source=$work/microsoft.c
    cat >"$source" <<'EOF'
#include "ikcp.h"
__declspec(dllimport) void __stdcall ExitProcess(unsigned int code);
extern __declspec(dllimport) const IUINT32 IKCP_OVERHEAD;
void start(void)
{
    ikcpcb *kcp = ikcp_create(7, 0);
    int sent = ikcp_send(kcp, "hello", 5);
    ikcp_release(kcp);
    ExitProcess(sent == 5 && IKCP_OVERHEAD == 24 ? 0 : 1);
}
EOF
    printf 'LIBRARY kernel32.dll\nEXPORTS\nExitProcess\n' >"$work/kernel32.def"
    llvm-dlltool -m i386:x86-64 -d "$work/kernel32.def" -l "$work/kernel32.lib"
    clang --target=x86_64-pc-windows-msvc -ffreestanding -isystem "$root/tools/machines/headers" -I "$dist/$name/include" \
        -c "$source" -o "$work/microsoft.obj"
    lld-link /nologo /nodefaultlib /entry:start /subsystem:console "/out:$work/microsoft.exe" "$work/microsoft.obj" \
        "$lib/kcp.lib" "$work/kernel32.lib"
    "$(command -v wine64 || command -v wine || echo /usr/lib/wine/wine64)" "$work/microsoft.exe" || fail "linked as by MSVC"
    echo "  $name, kcp.lib: linked by lld-link, runs"
}

# Format, and what is special, by machine.
for name in "${@:-$(cd "$dist" && ls -d -- */ | tr -d / | grep -vx packages)}"; do
    for name in $name; do
        format='' emulator='' underscore='' platform='' minimum=''
        case $name in
        linux-x86_64 | musl-x86_64 | android-x86_64) format=elf64-x86-64 ;;
        linux-aarch64 | musl-aarch64) format=elf64-littleaarch64 emulator="qemu-aarch64 -L /usr/aarch64-linux-gnu" ;;
        linux-armv7) format=elf32-littlearm emulator="qemu-arm -L /usr/arm-linux-gnueabihf" ;;
        linux-riscv64) format=elf64-littleriscv emulator="qemu-riscv64 -L /usr/riscv64-linux-gnu" ;;
        android-arm64-v8a) format=elf64-littleaarch64 ;;
        android-armeabi-v7a) format=elf32-littlearm ;;
        android-x86) format=elf32-i386 ;;
        windows-x86_64) format=COFF-x86-64 ;;
        windows-i686) format=COFF-i386 underscore=_ ;;
        macos-x86_64) format='Mach-O 64-bit x86-64' ;;
        macos-arm64) format='Mach-O arm64' ;;
        ios-arm64) format='Mach-O arm64' platform=ios minimum=12.0 ;;
        ios-simulator-arm64) format='Mach-O arm64' platform='ios ?simulator' minimum=14.0 ;;
        ios-simulator-x86_64) format='Mach-O 64-bit x86-64' platform='ios ?simulator' minimum=14.0 ;;
        esac
        check
        echo "$name: as it should be"
    done
done
(cd "$dist" && sha256sum --quiet -c SHA256SUMS) && echo "SHA256SUMS: as it should be"
