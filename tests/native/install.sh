#!/bin/sh
# Sees to a C compiler, by which `make` builds the extension hermpkg-speed. Exits with 69 where there is none.
cd "$(dirname "$0")" && exec sh ../debian.sh cc=gcc
