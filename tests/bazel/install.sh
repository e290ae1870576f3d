#!/bin/sh
# Installs what the tests of this folder need: a Bazel, here Debian's, and npm for buildifier.
set -eu

as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo"

if ! command -v apt-get >/dev/null; then
    echo "no apt-get here: install Bazel as https://bazel.build/install says, and npm" >&2
    exit 1
fi
$as_root apt-get update -qq
command -v bazel >/dev/null || $as_root apt-get install -y -qq --no-install-recommends bazel-bootstrap
command -v npm >/dev/null || $as_root apt-get install -y -qq --no-install-recommends npm
bazel --version
