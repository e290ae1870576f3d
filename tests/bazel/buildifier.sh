#!/bin/sh
# Formats and lints what Bazel reads: buildifier.sh fix|check. Exits with 69 where buildifier cannot be had.
set -eu

mode=$1
cd "$(dirname "$0")/../.."
buildifier=tests/bazel/node_modules/.bin/buildifier

if ! [ -x "$buildifier" ]; then
    command -v npm >/dev/null || { echo "no npm in the PATH: sh tests/bazel/install.sh installs one" >&2; exit 69; }
    npm install --silent --no-save --no-package-lock --no-audit --no-fund --prefix tests/bazel \
        @bazel/buildifier@8.2.1 >&2 || { echo "npm cannot install buildifier" >&2; exit 69; }
fi

# BUILD.example is left out: it shows attributes in the order of the reference, each with its words.
exec "$buildifier" -mode="$mode" -lint=warn -warnings=all -r \
    MODULE.bazel WORKSPACE examples hermpkg_build/BUILD rules
