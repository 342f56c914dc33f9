#!/bin/sh
# On the board, as root: install a release that deploy.sh has staged, and go back if it is not healthy.
#
# /opt/facewire/releases/ID        one release: environment, models, configuration, unit; `before` leads to the one it replaced
# /opt/facewire/current            the one that runs; .venv and models beside it lead into it
# /etc/facewire/facewire.toml      leads into it too
# *.before-deploy                  what was set up by hand in these places, and the unit
#
# FACEWIRE_PREFIX: a folder in place of /, for tests.
set -eu
umask 022

stage=${1:?"usage: install.sh STAGE"}
prefix=${FACEWIRE_PREFIX:-}
root=$prefix/opt/facewire
config=$prefix/etc/facewire/facewire.toml
unit=$prefix/etc/systemd/system/facewire.service
python=$prefix/usr/bin/python3 # the system's: apt's picamera2 is of it
patience_s=30
steady_s=5 # so long must the service stay up without a restart
id=$(cat "$stage/release")
release=$root/releases/$id
before=$(readlink "$root/current" || true)
# The same release again, as it turned unhealthy or was left half-way: what it replaced is still there.
[ "$before" != "$release" ] || before=$(readlink "$release/before" || true)
[ -d "$before" ] || before=

say() { echo "install: $*" >&2 || true; } # whoever reads it may be gone

add_user() {
    id facewire >/dev/null 2>&1 || useradd --system --user-group --no-create-home --shell /usr/sbin/nologin facewire
    for group in video plugdev render; do getent group "$group" >/dev/null || groupadd --system "$group"; done
}

# A release of the same wheel and extras shares its environment: a new model or configuration takes seconds.
make_environment() {
    name=$({ "$python" -V; cat "$stage"/*.whl "$stage/extras"; } | sha256sum | cut -c 1-12)
    environment=$root/environments/$name
    if [ ! -e "$environment/complete" ]; then
        say "new environment $name; the first one takes minutes"
        rm -rf "$environment"
        "$python" -m venv --system-site-packages "$environment"
        "$environment/bin/pip" install --quiet --disable-pip-version-check "$(ls "$stage"/*.whl)[$(cat "$stage/extras")]"
        touch "$environment/complete"
    fi
}

# Beside its place: the same release may be the one that runs.
fill_release() {
    rm -rf "$release.new"
    mkdir -p "$release.new"
    cp -r "$stage/models" "$stage/facewire.service" "$stage/release" "$release.new/"
    ln -s "$environment" "$release.new/.venv"
    [ -z "$before" ] || ln -s "$before" "$release.new/before"
    chmod -R go+rX "$release.new"
    # It may hold passwords: for the service alone.
    (umask 077 && cp "$stage/facewire.toml" "$release.new/")
    chgrp "$(id -gn facewire)" "$release.new/facewire.toml"
    chmod 640 "$release.new/facewire.toml"
}

# Before anything is stopped: a configuration or a model that cannot be meant ends here.
check_release() {
    sed "s#$root/models/#$release.new/models/#g" "$release.new/facewire.toml" > "$stage/checked.toml"
    if ! "$release.new/.venv/bin/facewire-edge" config check "$stage/checked.toml"; then
        say "release $id refused; what runs stays"
        rm -rf "$release.new"
        exit 1
    fi
}

take_release() {
    rm -rf "$release.old"
    [ ! -e "$release" ] || mv -T "$release" "$release.old"
    mv -T "$release.new" "$release"
    rm -rf "$release.old"
}

set_aside() { mv -T --backup=numbered "$1" "$1.before-deploy"; }

put_back() {
    rm -f "$1"
    [ ! -e "$1.before-deploy" ] || mv -T "$1.before-deploy" "$1"
}

# What is there and is no such link was set up by hand.
link() {
    [ ! -e "$2" ] || [ "$(readlink "$2")" = "$1" ] || set_aside "$2"
    ln -sfnT "$1" "$2"
}

start() {
    systemctl daemon-reload
    systemctl enable --quiet facewire
    systemctl restart facewire || true # is_healthy says how it went
}

switch_to() {
    # Without a release, the unit too was set up by hand.
    [ -L "$root/current" ] || [ ! -e "$unit" ] || set_aside "$unit"
    ln -sfnT "$1" "$root/current.new"
    mv -T "$root/current.new" "$root/current"
    mkdir -p "${config%/*}"
    link "$root/current/facewire.toml" "$config"
    link current/.venv "$root/.venv"
    link current/models "$root/models"
    cp "$root/current/facewire.service" "$unit.new"
    mv -T "$unit.new" "$unit"
    start
}

restarts() { systemctl show facewire --property=NRestarts --property=MainPID | sort | tr '\n' ' '; }

is_healthy() {
    waited=0 steady=0 last=
    while [ "$waited" -lt "$patience_s" ]; do
        sleep 1
        waited=$((waited + 1)) now=$(restarts)
        if systemctl is-active --quiet facewire && [ "$now" = "$last" ]; then steady=$((steady + 1)); else steady=0; fi
        [ "$steady" -lt "$steady_s" ] || return 0
        last=$now
    done
    return 1
}

# To what was set up by hand, if there was anything.
switch_off() {
    systemctl disable --quiet --now facewire || true
    rm -f "$root/current" "$unit.new"
    for path in "$unit" "$config" "$root/.venv" "$root/models"; do put_back "$path"; done
    if [ ! -e "$unit" ]; then
        systemctl daemon-reload
        say "there is no release before it; the service is off"
        exit 1
    fi
    before="what was set up by hand"
    start
}

go_back() {
    trap - EXIT
    say "$1; its log: journalctl -u facewire"
    if [ -n "$before" ]; then switch_to "$before"; else switch_off; fi
    if is_healthy; then say "$before runs again"; else say "$before is not healthy either"; fi
    exit 1
}

# Keep this release and the one before, each with its environment.
clean_up() {
    for old in "$root"/releases/*; do
        [ "$old" = "$release" ] || [ "$old" = "$before" ] || rm -rf "$old"
    done
    for old in "$root"/environments/*; do
        for kept in "$root"/releases/*/.venv; do [ "$(readlink "$kept")" != "$old" ] || continue 2; done
        rm -rf "$old"
    done
}

add_user
make_environment
fill_release
check_release
# Until here nothing has changed. From here on a lost connection or Ctrl-C must not stop it before it could go back.
trap '' HUP INT PIPE TERM
trap 'go_back "release $id cannot be put in place"' EXIT # a full disk, say
take_release
switch_to "$release"
is_healthy || go_back "release $id is not healthy after $patience_s s"
trap - EXIT
clean_up
say "release $id runs"
