#!/bin/sh
# Installs a token in software, whose keys tests of signatures sign with.
set -eu
cd "$(dirname "$0")"
exec sh ../debian.sh softhsm2-util=softhsm2
