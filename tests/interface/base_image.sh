#!/usr/bin/env bash
# A stand-in for the base image of the functions where no registry can be reached: bash tests/interface/base_image.sh NAME
# sam adds Lambda's Runtime Interface Emulator to what it is called by; what it needs for that, and what the functions need, is a C
# library, a shell, `mv` and `chmod`. They are this machine's: only a program that this machine can run can run in it.
set -euo pipefail
name=$1
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
# As Amazon's image has them: sam mounts the code, the emulator starts what is there.
mkdir -p "$root"/{bin,etc,opt,proc,sys,dev,var/{task,runtime,rapid},tmp}
chmod 1777 "$root/tmp"
ln -s bin "$root/sbin"
echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"
# `host.docker.internal` stands in /etc/hosts.
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
programs=(sh mv chmod cat ls)
for program in "${programs[@]}"; do
    cp -L "$(command -v "$program")" "$root/bin/$program"
done
# A function of ours needs no library but these; the C library looks for its name services by itself.
libraries=$(
    for program in "${programs[@]}"; do ldd "$(command -v "$program")"; done | grep -o '/[^ ]*'
    ldconfig -p | awk '/(libgcc_s|libc|libm|libdl|libpthread|librt|libresolv|libnss_files|libnss_dns)\.so\.[0-9]/ {print $NF}'
)
while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done < <(sort -u <<<"$libraries")
tar -C "$root" -c . | docker import --change 'ENV PATH=/bin LD_LIBRARY_PATH=/var/task/lib:/opt/lib' - "$name" >/dev/null
echo "made $name of this machine's own C library ($(ldd --version | head -n 1))"
