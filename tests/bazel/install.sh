#!/bin/sh
# Installs what the tests of this folder need: a Bazel, here Debian's, and buildifier by npm.
set -eu
cd "$(dirname "$0")"

sh ../debian.sh bazel=bazel-bootstrap npm=npm
sh buildifier.sh install
