#!/bin/sh
# Installs what the tests of this folder need: nginx, Apache httpd and bubblewrap from Debian, and a server of the Remote
# Execution API.
set -u
cd "$(dirname "$0")" || exit 1

code=0
had_nginx=$(command -v nginx)
sh ../debian.sh nginx=nginx-light apache2=apache2-bin bwrap=bubblewrap || code=$?
if [ -z "$had_nginx" ] && command -v nginx >/dev/null && [ -d /run/systemd/system ]; then
    # The tests start servers of their own; the one that comes with the package is not to serve this machine.
    if [ "$(id -u)" = 0 ]; then systemctl disable --now nginx; else sudo -n systemctl disable --now nginx; fi
fi
sh casd.sh || code=$?
exit $code
