#!/bin/sh
# Installs what the tests of this folder need: pyright, by npm.
set -eu
cd "$(dirname "$0")"

sh ../debian.sh npm=npm
sh pyright.sh install
