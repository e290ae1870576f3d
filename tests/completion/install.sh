#!/bin/sh
# Installs the shells whose completion is tested.
set -eu
cd "$(dirname "$0")"
sh ../debian.sh bash=bash zsh=zsh fish=fish
