#!/bin/sh
# Run a command on Debian arm64 that has facewire and its wheels: sh tests/arm64/root.sh bookworm|trixie COMMAND ...
#
# The first use builds the root. Inside, the repository is /src, read-only; $ARM64 is /arm64; python3 finds facewire.
# PYTHON: has pip and packaging (python3). ARM64: the folder of the roots (.arm64). DEBIAN_MIRROR: if not the usual.
set -eu

suite=${1:-}
case $suite in
    bookworm) # on a Pi 4, with tflite-runtime
        version=3.11 extra=edge-legacy include=python3 core=cortex-a72 part=0xd08 ;;
    trixie) # on a Pi 5, with ai-edge-litert; bench.py boots the kernel
        version=3.13 extra=edge include=python3,linux-image-arm64 core=cortex-a76 part=0xd0b ;;
    *) echo "usage: root.sh bookworm|trixie COMMAND ..." >&2; exit 2 ;;
esac
shift
python=${PYTHON:-python3}
repository=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "${ARM64:-.arm64}"
home=$(cd "${ARM64:-.arm64}" && pwd)
root=$home/$suite
stage=$(mktemp -d "$home/stage.XXXXXX")
trap 'rm -rf "$stage"' EXIT
trap 'exit 130' INT TERM

fail() { echo "arm64: $*" >&2; exit 3; }

need() { command -v "$1" > /dev/null || fail "no $1; run: sudo apt install debootstrap qemu-user-static"; }

check_host() {
    [ "$(id -u)" = 0 ] || fail "a Debian root needs root's rights; run: sudo make ..."
    need debootstrap
    [ "$(uname -m)" != aarch64 ] || return 0
    need qemu-aarch64-static
    [ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] || fail "no qemu for arm64 programs; run: sudo update-binfmts --enable"
}

# What has the root's name is whole. Its packages are unpacked, not configured: that, emulated, takes ten times as long.
build() {
    echo "arm64: building the $suite root, once, some minutes; log: $home/$suite.log" >&2
    # shellcheck disable=SC2086  # no mirror, no argument
    debootstrap --foreign --arch=arm64 --variant=minbase --include="$include" "$suite" "$stage/root" \
        ${DEBIAN_MIRROR:-} > "$home/$suite.log" 2>&1 || fail "debootstrap failed: $(tail -n 1 "$home/$suite.log")"
    for package in "$stage"/root/var/cache/apt/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -C "$stage/root" -x --keep-directory-symlink
        rm "$package"
    done
    # In a container, debootstrap makes links of these, to the machine's own.
    for folder in proc sys dev; do
        [ ! -L "$stage/root/$folder" ] || rm "$stage/root/$folder"
    done
    for folder in proc sys dev src arm64 opt; do mkdir -p "$stage/root/$folder"; done
    mv -T "$stage/root" "$root"
}

# pip itself would take the markers of this machine.
needs() {
    "$python" - "$repository/pyproject.toml" "$extra" "$version" << 'PY'
import sys, tomllib
from packaging.requirements import Requirement

path, extra, version = sys.argv[1:]
project = tomllib.load(open(path, "rb"))["project"]
board = {"platform_machine": "aarch64", "python_version": version}
needs = [*project["dependencies"], *project["optional-dependencies"][extra], "pytest", "hypothesis"]
for need in map(Requirement, needs):
    if need.marker is None or need.marker.evaluate(board):
        print(f"{need.name}{need.specifier}")
PY
}

pip_install() { # FOLDER REQUIREMENT...; says nothing, pip mistakes what is installed here for the board's
    "$python" -m pip --disable-pip-version-check install --no-compile --target "$@" > "$home/pip.log" 2>&1 ||
        fail "pip failed: $(grep -m 1 ^ERROR: "$home/pip.log"); log: $home/pip.log"
}

# The wheels of a board: up to glibc 2.36 (Bookworm).
install() {
    needs > "$stage/needs"
    if ! cmp -s "$stage/needs" "$root/opt/site/needs"; then
        # shellcheck disable=SC2046  # words
        pip_install "$stage/site" --requirement "$stage/needs" --only-binary=:all: --implementation cp \
            --python-version "$version" --platform manylinux2014_aarch64 \
            $(seq -f '--platform manylinux_2_%.0f_aarch64' 17 36)
        cp "$stage/needs" "$stage/site/needs"
        rm -rf "$root/opt/site"
        mv "$stage/site" "$root/opt/site"
    fi
    rm -rf "$root/opt/wheel"
    pip_install "$root/opt/wheel" --no-deps "$repository"
}

# What the core's own kernel tells: ai-edge-litert 2.3.0 crashes where qemu-user 7.2 passes the x86 one's words on.
cpuinfo() {
    for number in $(seq 0 $(($(nproc --all) - 1))); do
        printf 'processor\t: %s\nFeatures\t: fp asimd crc32 cpuid\nCPU implementer\t: 0x41\n' "$number"
        printf 'CPU architecture: 8\nCPU part\t: %s\n\n' "$part"
    done
}

# The mounts are in a namespace of their own: they end with the command, killed or not, and nobody outside meets them.
# /sys: without it the runtimes find no core of the processor.
inside() {
    cpuinfo > "$stage/cpuinfo"
    # shellcheck disable=SC2016  # the inner shell expands it
    QEMU_CPU=$core unshare --mount sh -euc '
        root=$1 home=$2 repository=$3 cpuinfo=$4; shift 4
        mount -t proc proc "$root/proc"
        [ "$(uname -m)" = aarch64 ] || mount --bind "$cpuinfo" "$root/proc/cpuinfo"
        for folder in /sys /dev; do mount --rbind "$folder" "$root$folder"; done
        mount --bind "$home" "$root/arm64"
        mount --bind "$repository" "$root/src"
        mount -o remount,bind,ro "$root/src"
        cd "$root"
        PYTHONDONTWRITEBYTECODE= PYTHONPATH=/opt/wheel:/opt/site exec chroot "$root" "$@"
    ' root "$root" "$home" "$repository" "$stage/cpuinfo" "$@"
}

check_host
[ -d "$root" ] || build
install
inside "$@"
