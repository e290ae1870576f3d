#!/bin/sh
# Installs a real registry, and another program that copies from one to another.
set -eu
cd "$(dirname "$0")"
had_registry=$(command -v docker-registry || true)
sh ../debian.sh docker-registry=docker-registry skopeo=skopeo
if [ -z "$had_registry" ] && [ -d /run/systemd/system ]; then
    # The tests start registries of their own; the one that comes with the package is not to serve this machine.
    systemctl disable --now docker-registry
fi
