#!/bin/sh
# Installs what the tests of this folder need: a Chromium, speedscope, a viewer of profiles, by npm, and what
# builds the site of the documentation.
set -eu
cd "$(dirname "$0")"

command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || sh ../debian.sh chromium=chromium

sh ../debian.sh npm=npm
npm install --silent --no-save --no-package-lock --no-audit --no-fund --fetch-retries=1 --prefix . speedscope@1.25.0
make --silent --directory ../.. .venv-docs/docs.stamp
