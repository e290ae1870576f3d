"""The server of docs/how-to/run-models-remotely.md, started as it stands there but for ports and folders."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
PAGE = REPOSITORY / "docs/how-to/run-models-remotely.md"
CASD = Path(__file__).resolve().parents[1] / "casd"


def test_the_documented_server_executes(checkout: Any, start_casd: Callable[..., Any]) -> None:
    if shutil.which("bwrap") is None:
        pytest.skip("there is no bubblewrap, in which the executor works: make machine installs it")
    [block] = re.findall(
        r"```sh\n(buildbox/buildbox-casd .*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    places = {"$PWD/buildbox": str(CASD / "2.8.1"), "/opt/models": sys.prefix}
    words = shlex.split(block.replace("\\\n", " "))
    for there, here in places.items():
        words = [word.replace(there, here) for word in words]
    options = [word for word in words[1:-1] if not word.startswith("--bind=")]
    # That of Debian's Python, which need not be here in the page's version.
    options = [word for word in options if ":/etc/" not in word or Path(word.rpartition(":")[2]).is_dir()]
    # The page's interpreter is the system's; this one may have its own, an editable install a checkout.
    for folder in (sys.base_prefix, REPOSITORY):
        options.append(f"--runner-arg=--ro-bind-mount={folder}:{folder}")

    server = start_casd("2.8.1", *options)
    result = checkout.build(server.url)

    assert checkout.warnings == []
    assert checkout.where(result) == server.url
