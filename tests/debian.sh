#!/bin/sh
# Installs the Debian packages whose commands are missing: debian.sh COMMAND=PACKAGE... Asks nobody anything, and
# exits with 69 and one line that says why where it cannot.
set -eu

refuse() {
    echo "$1: install$missing" >&2
    exit 69
}

missing=""
for pair in "$@"; do
    command -v "${pair%%=*}" >/dev/null || missing="$missing ${pair#*=}"
done
[ -n "$missing" ] || exit 0

command -v apt-get >/dev/null || refuse "there is no apt-get on this machine"
as_root=""
if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || refuse "only root can install packages on this machine"
    as_root="sudo -n"
fi
apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 \
        -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 "$@" >&2
}
# The lists of a machine that cannot be reached now may still be good enough.
apt update || true
# shellcheck disable=SC2086 # Names of packages, one word each.
apt install -y --no-install-recommends $missing || refuse "apt-get failed"
