#!/bin/sh
# Installs what the tests of this folder need: a Chromium.
set -eu
cd "$(dirname "$0")"

command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || sh ../debian.sh chromium=chromium
