#!/bin/sh
# Runs a command on a copy of this machine's files that is gone afterwards; only the current folder is the real one. For root.
folder=$PWD copy=$(mktemp -d)
export folder copy
unshare -m sh -c '
    set -e
    mount -t tmpfs none "$copy"
    mkdir "$copy/changes" "$copy/work" "$copy/root"
    mount -t overlay overlay -o "lowerdir=/,upperdir=$copy/changes,workdir=$copy/work" "$copy/root"
    for part in /proc /dev "$folder"; do
        mount --rbind "$part" "$copy/root$part"
    done
    cd "$copy/root"
    exec chroot . sh -c "cd \"$folder\" && exec \"\$@\"" sh "$@"
' sh "$@"
status=$?
rmdir "$copy"
exit $status
