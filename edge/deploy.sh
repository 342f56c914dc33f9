#!/bin/sh
# Send facewire to a board and run it there as a service: sh edge/deploy.sh USER@HOST CONFIG [MODEL.tflite ...]
# The same again changes nothing; a release that is not healthy in 30 s gives way to the one before (see install.sh).
#
# PYTHON: builds the wheel (python3). SSH: how to log in (ssh). EXTRAS: of the package (edge,stream).
set -eu

target=${1:?"usage: deploy.sh USER@HOST CONFIG [MODEL.tflite ...]"}
config=${2:?"usage: deploy.sh USER@HOST CONFIG [MODEL.tflite ...]"}
shift 2
python=${PYTHON:-python3}
ssh=${SSH:-ssh}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
stage=$work/stage source=$work/source
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM # dash would leave out the line above

say() { echo "deploy: $*" >&2; }
fail() { say "$*"; exit 2; }

# Of a copy: what earlier builds left in build/ would go into the wheel, and so would the modes of the checkout.
build_wheel() {
    mkdir "$source"
    (cd "$here/.." && cp -R pyproject.toml README.md LICENSE edge train convert "$source/")
    chmod -R u=rwX,go=rX "$source"
    # A fixed date: the same sources give the same wheel.
    SOURCE_DATE_EPOCH=315532800 "$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$stage" "$source"
}

# Everything that makes a release lies in one folder; its name is the hash of what lies in it.
stage_release() {
    mkdir -m 700 "$stage" # its mode goes to the board, and the configuration may hold a password
    mkdir "$stage/models"
    for model in "$@"; do
        [ ! -e "$stage/models/$(basename "$model")" ] || fail "two models are named $(basename "$model"); rename one of them"
        cp "$model" "$stage/models/" || fail "no model $model; run: make train convert"
    done
    cp "$config" "$stage/facewire.toml" || fail "no configuration $config; begin with edge/facewire.toml"
    cp "$here/facewire.service" "$here/install.sh" "$stage/"
    printf '%s\n' "${EXTRAS:-edge,stream}" > "$stage/extras"
    build_wheel
}

hash_of() { (cd "$1" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c 1-12); }

stage_release "$@"
release=$(hash_of "$stage")
if [ "$($ssh "$target" 'cat /opt/facewire/current/release; systemctl is-active facewire' 2>/dev/null | tr '\n' ' ')" = "$release active " ]; then
    say "$target runs release $release already; nothing to do"
    exit 0
fi
say "release $release to $target"
printf '%s\n' "$release" > "$stage/release"
there=$($ssh "$target" 'mktemp -d /tmp/facewire-XXXXXX')
tar -C "$stage" -czf - . | $ssh "$target" "tar -C '$there' -xzf -"
# shellcheck disable=SC2016  # the board's shell expands it
install='if [ "$(id -u)" = 0 ]; then root=; else root=sudo; fi; $root sh "$1/install.sh" "$1"; status=$?; rm -rf "$1"; exit $status'
$ssh "$target" "sh -c '$install' install '$there'"
