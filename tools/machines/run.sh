#!/usr/bin/env bash
# Builds the library for machines other than this one and runs the C tests there: under qemu-user, or wine for Windows.
#
#   tools/machines/run.sh [--seeds A..B] [--golden FILE] [--require] [MACHINE ...]
#
# MACHINE is aarch64, armv7, i686, riscv64, s390x or windows; without one, all. As many are tested at once as there are cores. For each: the
# library is built together with Rust's `core`, from source; it exports the golden symbols and holds no panic; the structs have the golden
# layout; the programs of c-tests pass; and the session driver gives the golden digests, those of the original.
#
# A machine whose tools are missing is named and left out; with --require that is a failure. docs/machines.md has the
# Debian packages. CARGO_TARGET_DIR, RUST_FOR_MACHINES and CARGO_FOR_MACHINES are heeded; IKCP_SEED=n repeats the
# simulated sessions.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
target_dir=${CARGO_TARGET_DIR:-$root/target}/machines
# Debian's, which come with the source of `core`. A compiler that rustup installed lacks it.
rustc=${RUST_FOR_MACHINES:-/usr/bin/rustc}
cargo=${CARGO_FOR_MACHINES:-/usr/bin/cargo}

# The slowest first: the others run beside it.
machines=(windows s390x riscv64 aarch64 i686 armv7)

# Every program of c-tests that runs without arguments, but for those that need threads or, emulated, minutes.
shopt -s nullglob
programs=()
for source in "$root"/c-tests/{,callbacks/,deviations/}*.c; do
    case $source in
    */layout.c | */simulation.c) ;; # see run_programs
    *) programs+=("$source") ;;
    esac
done
# How many sessions they play, where the number they play by themselves takes long in an emulator.
declare -A sessions=([list_edits]=20 [reentry]=50)
modes=(default normal fast nodelay congestion stream stream-default stream-congestion)

warnings=(-Wall -Wextra -Wpedantic -Werror)
includes=(-I "$root/include" -I "$root/c-tests" -I "$root/c-tests/session")

# Sets `target` (Rust's name), `tools` (prefix of compiler and binutils), `emulator`, `layout`.
describe() {
    layout='layout-171.txt'
    case $1 in
    aarch64 | s390x)
        target=$1-unknown-linux-gnu tools=$1-linux-gnu emulator=(qemu-"$1" -L /usr/"$1"-linux-gnu)
        ;;
    riscv64)
        target=riscv64gc-unknown-linux-gnu tools=riscv64-linux-gnu emulator=(qemu-riscv64 -L /usr/riscv64-linux-gnu)
        ;;
    armv7)
        target=armv7-unknown-linux-gnueabihf tools=arm-linux-gnueabihf emulator=(qemu-arm -L /usr/arm-linux-gnueabihf)
        layout='layout-171-32bit.txt'
        ;;
    i686)
        target=i686-unknown-linux-gnu tools=i686-linux-gnu emulator=(qemu-i386 -L /usr/i686-linux-gnu)
        layout='layout-171-32bit.txt'
        ;;
    windows)
        target=x86_64-pc-windows-gnu tools=x86_64-w64-mingw32
        # Debian's wine64 alone puts no command into the path.
        emulator=("$(command -v wine64 || command -v wine || echo /usr/lib/wine/wine64)")
        ;;
    *)
        echo "no machine $1; there are: ${machines[*]}" >&2
        exit 2
        ;;
    esac
}

have() { command -v "$1" >/dev/null; }

# The tools that the machine described lacks.
lacks() {
    local tool
    for tool in "$rustc" "$cargo" "$tools-gcc" "$tools-nm" "${emulator[0]}"; do
        have "$tool" || echo "$tool"
    done
    # Cargo builds `core` from there.
    if have "$rustc"; then
        tool=$("$rustc" --print sysroot)/lib/rustlib/src/rust/library/core/Cargo.toml
        [[ -e $tool ]] || echo "$tool"
    fi
}

fail() {
    echo "$machine: $*" >&2
    exit 1
}

build() {
    local name=${target//-/_}
    RUSTC_BOOTSTRAP=1 RUSTC=$rustc CARGO_TARGET_DIR=$target_dir \
        env "CARGO_TARGET_${name^^}_LINKER=$tools-gcc" "CC_$name=$tools-gcc" "AR_$name=$tools-ar" \
        "$cargo" build --quiet --release --lib --locked -Zbuild-std=core --target "$target" \
        --manifest-path "$root/Cargo.toml"
}

# The exported symbols, each with T for a function and D for data as in the golden list, and nothing that could panic.
symbols() {
    local golden=$work/golden-symbols.txt found=$work/symbols.txt shared all
    LC_ALL=C sort -k2 "$root"/tests/golden/symbols*.txt >"$golden"
    if [[ $machine == windows ]]; then
        shared=$built/kcp.dll
        # A table of names, which does not tell functions from data; the import library does.
        "$tools-objdump" -p "$shared" | sed -n '/Ordinal\/Name Pointer\] Table/,/^$/s/^.*\] //p' | grep -v Table |
            LC_ALL=C sort >"$found"
        cut -d' ' -f2 "$golden" | diff - "$found" || fail "kcp.dll exports other symbols"
        "$tools-nm" "$built/libkcp.dll.a" | sed -n 's/^.* I __imp_//p' | LC_ALL=C sort >"$found"
        cut -d' ' -f2 "$golden" | diff - "$found" || fail "libkcp.dll.a offers other symbols"
        # Of Windows itself, so kcp.dll can be shipped alone.
        "$tools-objdump" -p "$shared" | sed -n 's/^.*DLL Name: //p' | grep -viE '^(kernel32|msvcrt|ntdll)\.dll$' &&
            fail "kcp.dll needs these libraries"
    else
        shared=$built/libkcp.so
        "$tools-nm" -D --defined-only "$shared" | awk '{ print ($2 == "T" ? "T" : "D"), $3 }' |
            LC_ALL=C sort -k2 >"$found"
        diff "$golden" "$found" || fail "libkcp.so exports other symbols"
    fi
    all=$("$tools-nm" "$shared")
    grep -q ' ikcp_send$' <<<"$all" || fail "$shared is stripped: no panic could be seen"
    ! grep -E 'panic|rust_begin_unwind' <<<"$all" || fail "$shared holds a panic"
    echo "symbols: as they should be"
}

# compile SOURCE ...: an object in the work folder for each.
compile() {
    local source
    for source in "$@"; do
        "$tools-gcc" -std=gnu11 -O1 "${warnings[@]}" "${includes[@]}" -c "$source" -o "$work/$(basename "$source" .c).o"
    done
}

# link PROGRAM LIBRARY [OBJECT ...]: an executable in the work folder, of the object of its name unless others are given.
link() {
    local program=$1 library=$2
    shift 2
    (cd "$work" && "$tools-gcc" "${@:-$program.o}" "$library" -o "$program.exe")
}

# run PROGRAM ARGUMENT ...: on that machine, five minutes at most. Wine once hung, on a busy machine, before a program wrote anything. The
# programs have no clock and no threads, so one that hangs by itself does so again.
run() {
    local program=$1 command
    shift
    command=(timeout 300 "${emulator[@]}" "$work/$program.exe" "$@")
    "${command[@]}" && return
    [[ $? == 124 && ${emulator[*]} == *wine* ]] && "${command[@]}"
}

run_programs() {
    local library program name mode output seed=${IKCP_SEED:-$RANDOM}
    compile "$root"/c-tests/{layout,simulation}.c "${programs[@]}"
    for library in "${libraries[@]}"; do
        echo "with ${library##*/}:"
        link layout "$library"
        run layout | tr -d '\r' | diff "$root/tests/golden/$layout" - || fail "another layout"
        for program in "${programs[@]}"; do
            # What the C interface is like, in each file of the library; what is behind it, in one.
            [[ $library == "${libraries[0]}" || $program == "$root"/c-tests/*.c && $program != "$root"/c-tests/*/* ]] ||
                continue
            name=$(basename "$program" .c)
            link "$name" "$library"
            # shellcheck disable=SC2086 # no argument at all where there is no number
            output=$(run "$name" ${sessions[$name]-} 2>&1 | tr -d '\r') || fail "$name with ${library##*/}: $output"
            output=${output##*$'\n'}
            echo "  $name: ${output:-passed}"
        done
    done
    link simulation "${libraries[0]}"
    for mode in "${modes[@]}"; do
        run simulation "$mode" "$seed" 5 | tr -d '\r' || fail "IKCP_SEED=$seed"
    done
}

replay_sessions() {
    compile "$root"/c-tests/session/{main,driver}.c
    link session "${libraries[0]}" main.o driver.o
    # Windows has no /absolute/paths; it finds a plain name in the folder it is started in.
    cp "$golden" "$work/golden.txt"
    (cd "$work" && run session --check golden.txt --seeds "$seeds") || fail "other digests"
}

test_machine() {
    work=$target_dir/$target/c-tests built=$target_dir/$target/release
    mkdir -p "$work"
    if [[ $machine == windows ]]; then
        libraries=("$built/libkcp.a" "$built/kcp.dll" "$built/libkcp.dll.a")
        # A prefix of its own, without the offer to install .NET and a browser.
        export WINEPREFIX=$target_dir/wine WINEPATH=$built WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml='
        run_wine_server=$(command -v wineserver || echo /usr/lib/wine/wineserver)
        trap '"$run_wine_server" -k || true' EXIT
    else
        libraries=("$built/libkcp.a" "$built/libkcp.so")
        unset LD_LIBRARY_PATH
        emulator+=(-E "LD_LIBRARY_PATH=$built")
    fi
    build
    symbols
    run_programs
    replay_sessions
}

seeds=0..100 golden=$root/c-tests/session/golden/2.1.1.txt require=false chosen=() one=false
while (($# > 0)); do
    case $1 in
    --seeds) seeds=$2 && shift ;;
    --golden) golden=$2 && shift ;;
    --require) require=true ;;
    --one) one=true ;; # this script, called by itself
    -*) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" && exit 2 ;;
    *) chosen+=("$1") ;;
    esac
    shift
done
((${#chosen[@]} > 0)) || chosen=("${machines[@]}")

if $one; then
    machine=${chosen[0]}
    describe "$machine"
    test_machine
    exit
fi

# Runs the tests of a machine and prints them when they have ended.
test_beside() {
    local start=$SECONDS outcome=failed
    # A process of its own: in "if function" the shell would go on after a command that failed.
    if "$0" --one --seeds "$seeds" --golden "$golden" "$1" >"$target_dir/$1.log" 2>&1; then
        outcome="passed, $((SECONDS - start)) s"
    fi
    echo "--> $1"$'\n'"$(<"$target_dir/$1.log")"
    echo "$1: $outcome" >"$target_dir/$1.outcome"
}
# Each in a process group of its own, which Ctrl-C ends as a whole.
set -m
trap 'for group in $(jobs -p); do kill -- "-$group" 2>/dev/null || true; done; exit 130' INT TERM

for machine in "${chosen[@]}"; do
    describe "$machine" # a name that is wrong ends this here
done
summary=() failed=false tested=()
mkdir -p "$target_dir"
for machine in "${chosen[@]}"; do
    describe "$machine"
    missing=$(lacks | tr '\n' ' ')
    if [[ -n $missing ]]; then
        summary+=("$machine: not tested, missing: $missing")
        $require && failed=true
        continue
    fi
    while (($(jobs -rp | wc -l) >= $(nproc))); do wait -n || true; done
    rm -f "$target_dir/$machine.outcome"
    tested+=("$machine")
    test_beside "$machine" </dev/null &
done
wait
for machine in "${tested[@]}"; do
    summary+=("$(<"$target_dir/$machine.outcome")")
    [[ ${summary[-1]} == *passed* ]] || failed=true
done
printf '%s\n' "${summary[@]}"
! $failed
