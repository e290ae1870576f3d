#!/bin/sh
# Installs QEMU's user mode, which runs a program on another processor of the same architecture.
set -eu
exec sh "$(dirname "$0")/../debian.sh" "qemu-$(uname -m)=qemu-user"
