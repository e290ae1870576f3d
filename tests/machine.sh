#!/bin/sh
# Installs what tests need beyond Python, by the install.sh of each of their folders; a line for each that this
# machine refuses, whose tests are then skipped. Exits with 69 if there is any. Takes no time when all is there.
set -u
cd "$(dirname "$0")" || exit 1

code=0
for script in */install.sh; do
    [ -f "$script" ] || continue
    # The last line of a script that fails is its reason.
    if ! said=$(sh "$script" 2>&1 </dev/null); then
        echo "tests/${script%/install.sh} will skip tests: $(printf '%s\n' "$said" | tail -n 1)" >&2
        code=69
    fi
done
exit $code
