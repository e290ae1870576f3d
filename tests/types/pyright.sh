#!/bin/sh
# Runs pyright: pyright.sh ARGUMENT..., or installs it: pyright.sh install. Exits with 69 where it cannot be had.
set -eu

folder=$(cd "$(dirname "$0")" && pwd)
version=1.1.414

if ! grep -qs "\"version\": \"$version\"" "$folder/node_modules/pyright/package.json"; then
    command -v npm >/dev/null || { echo "there is no npm in the PATH: make machine installs one" >&2; exit 69; }
    npm install --silent --no-save --no-package-lock --no-audit --no-fund --fetch-retries=1 --prefix "$folder" \
        pyright@$version >&2 || { echo "npm cannot install pyright $version" >&2; exit 69; }
fi
[ "$1" != install ] || exit 0

exec "$folder/node_modules/.bin/pyright" "$@"
