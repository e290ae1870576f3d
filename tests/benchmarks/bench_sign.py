"""Signing and verifying a file beside the command of model-signing, with one key, as whole processes."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from scratch import fill
from table import Goal, show, timed

OFFICIAL = "from model_signing._cli import main; main()"
OURS = """
import sys
from hermpkg_build.signing.folders import open_content
from hermpkg_build.signing.signers import AcceptedKey
from hermpkg_build.signing.verify import verify_signature
with open_content(sys.argv[1]) as content, open(sys.argv[2], "rb") as file, open(sys.argv[3], "rb") as key:
    verify_signature(content, file.read(), [AcceptedKey(public_key=key.read())])
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each row is timed")
    parser.add_argument("--mib", type=int, default=1024, help="the size of the file")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench sign ") as folder:
        file, private, public = (os.path.join(folder, name) for name in ("net.pt", "key", "key.pub"))
        fill(file, options.mib)
        _run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", private)
        _run("openssl", "pkey", "-in", private, "-pubout", "-out", public)
        theirs, ours = f"{file}.theirs", f"{file}.ours"
        python = (sys.executable, "-c")
        keyed = ("--private_key", private)
        sign = {
            "model_signing sign": (*python, OFFICIAL, "sign", "key", file, "--signature", theirs, *keyed),
            "hermpkg sign": (
                sys.executable, "-m", "hermpkg_build", "-q", "sign", file, "--signature", ours, *keyed,
            ),
        }  # fmt: skip
        given = ("--signature", theirs, "--public_key", public)
        verify = {
            "model_signing verify": (*python, OFFICIAL, "verify", "key", file, *given),
            "hermpkg's verify_signature": (*python, OURS, file, ours, public),
        }
        for what, rows in {"sign": sign, "verify": verify}.items():
            made = {name: lambda words=words: _run(*words) for name, words in rows.items()}
            goals = {list(rows)[1]: Goal(most=1)}
            show(f"{what} {options.mib} MiB", timed(made, options.rounds), goals)
    return 0


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


if __name__ == "__main__":
    sys.exit(main())
