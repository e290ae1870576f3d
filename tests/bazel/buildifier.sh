#!/bin/sh
# Formats and lints what Bazel reads: buildifier.sh fix|check, or install alone. Exits with 69 where buildifier
# cannot be had.
set -eu

mode=$1
cd "$(dirname "$0")/../.."
folder=tests/bazel/node_modules/@bazel/buildifier
version=8.2.1

if ! grep -qs "\"version\": \"$version\"" $folder/package.json; then
    command -v npm >/dev/null || { echo "there is no npm in the PATH: make machine installs one" >&2; exit 69; }
    npm install --silent --no-save --no-package-lock --no-audit --no-fund --fetch-retries=1 --prefix tests/bazel \
        @bazel/buildifier@$version >&2 || { echo "npm cannot install buildifier $version" >&2; exit 69; }
fi
[ "$mode" != install ] || exit 0

# BUILD.example is left out: it shows attributes in the order of the reference, each with its words.
exec tests/bazel/node_modules/.bin/buildifier -mode="$mode" -lint=warn -warnings=all -r \
    MODULE.bazel WORKSPACE examples hermpkg_build/BUILD rules
