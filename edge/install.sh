#!/bin/sh
# On the board, as root: install a release that deploy.sh has staged, and go back if it is not healthy.
#
# /opt/facewire/releases/ID        one release: environment, models, configuration, unit
# /opt/facewire/current            the one that runs; .venv and models beside it lead into it
# /etc/facewire/facewire.toml      leads into it too
set -eu
umask 022

stage=${1:?"usage: install.sh STAGE"}
root=/opt/facewire
patience_s=30
steady_s=5 # so long must the service stay up without a restart
id=$(cat "$stage/release")
release=$root/releases/$id
before=$(readlink "$root/current" || true)
[ "$before" != "$release" ] || before= # it was left half-way, or does not run

say() { echo "install: $*" >&2; }

add_user() {
    id facewire >/dev/null 2>&1 || useradd --system --no-create-home --shell /usr/sbin/nologin facewire
    for group in video plugdev render; do getent group "$group" >/dev/null || groupadd --system "$group"; done
}

# A release of the same wheel and extras shares its environment: a new model or configuration takes seconds.
make_environment() {
    name=$({ /usr/bin/python3 -V; cat "$stage"/*.whl "$stage/extras"; } | sha256sum | cut -c 1-12)
    environment=$root/environments/$name
    if [ ! -e "$environment/complete" ]; then
        say "new environment $name; the first one takes minutes"
        rm -rf "$environment"
        /usr/bin/python3 -m venv --system-site-packages "$environment" # the system's Python: apt's picamera2 is of it
        "$environment/bin/pip" install --quiet --disable-pip-version-check "$(ls "$stage"/*.whl)[$(cat "$stage/extras")]"
        touch "$environment/complete"
    fi
}

fill_release() {
    rm -rf "$release"
    mkdir -p "$release"
    cp -r "$stage/models" "$stage/facewire.toml" "$stage/facewire.service" "$stage/release" "$release/"
    ln -s "$environment" "$release/.venv"
    chmod -R go+rX "$release"
}

# Before anything is stopped: a configuration or a model that cannot be meant ends here.
check_release() {
    sed "s#$root/models/#$release/models/#g" "$release/facewire.toml" > "$stage/checked.toml"
    if ! "$release/.venv/bin/facewire-edge" config check "$stage/checked.toml"; then
        say "release $id refused; ${before:-nothing} stays"
        rm -rf "$release"
        exit 1
    fi
}

link_paths() {
    mkdir -p /etc/facewire
    if [ -f /etc/facewire/facewire.toml ] && [ ! -L /etc/facewire/facewire.toml ]; then
        mv /etc/facewire/facewire.toml /etc/facewire/facewire.toml.before-deploy
    fi
    ln -sfn "$root/current/facewire.toml" /etc/facewire/facewire.toml
    ln -sfn current/.venv "$root/.venv"
    ln -sfn current/models "$root/models"
}

switch_to() {
    ln -sfn "$1" "$root/current.new"
    mv -T "$root/current.new" "$root/current"
    cp "$root/current/facewire.service" /etc/systemd/system/facewire.service
    systemctl daemon-reload
    systemctl enable --quiet facewire
    systemctl restart facewire || true # is_healthy says how it went
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

go_back() {
    say "release $id is not healthy after $patience_s s; its log: journalctl -u facewire"
    if [ -n "$before" ] && [ -d "$before" ]; then
        switch_to "$before"
        if is_healthy; then say "$before runs again"; else say "$before is not healthy either"; fi
    else
        systemctl disable --quiet --now facewire || true
        rm -f "$root/current"
        say "there is no release before it; the service is off"
    fi
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
link_paths
switch_to "$release"
is_healthy || go_back
clean_up
say "release $id runs"
