#!/usr/bin/env bash
# Makes a stand-in for the functions' base image, if no registry can be reached: bash tests/interface/base_image.sh NAME
# sam adds Lambda's Runtime Interface Emulator to it. The emulator and the functions need a C library, a shell, `mv` and `chmod`. They come
# from this machine: only programs that run on this machine run in the image.
set -euo pipefail
name=$1
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
# As in Amazon's image: sam mounts the code, the emulator starts it.
mkdir -p "$root"/{bin,etc,opt,proc,sys,dev,var/{task,runtime,rapid},tmp}
chmod 1777 "$root/tmp"
ln -s bin "$root/sbin"
echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"
# Docker puts `host.docker.internal` into /etc/hosts, so look there first.
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
programs=(sh mv chmod cat ls)
for program in "${programs[@]}"; do
    cp -L "$(command -v "$program")" "$root/bin/$program"
done
# Our functions need only these libraries. The C library loads its name services by itself, so `ldd` does not list them.
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
