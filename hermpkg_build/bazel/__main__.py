"""``python -m hermpkg_build.bazel ACTION [--environment=DIGEST] @REQUEST`` runs an action for Bazel.

With ``--persistent_worker`` in place of the request, it answers requests until its standard input ends.
An exit code other than 0 comes with the reason on standard error. The test action takes further arguments
and appends them to those of the test.

Bazel starts another worker for another command line. A process finds modules on the search path that it
started with, so the command line of an action that depends on the installed packages has a digest of them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hermpkg_build.bazel.actions import ACTIONS
from hermpkg_build.bazel.request import parse_request, with_paths_on_disk
from hermpkg_build.dataclass import replace
from hermpkg_build.errors import ExitCode, HermpkgError

if TYPE_CHECKING:
    from hermpkg_build.bazel.facts_files import FactsMemory


def main(arguments: Sequence[str]) -> int:
    """Run the action that `arguments` name, or serve requests for it; the exit code."""
    action, *more = arguments
    if more[0].startswith("--environment="):
        more.pop(0)
    request = more.pop(0)
    if request == "--persistent_worker":
        _serve(action)
        return ExitCode.SUCCESS
    lines = Path(request.removeprefix("@")).read_text(encoding="utf-8").split("\n")
    code, text = _run(action, lines, {}, tuple(more))
    if text:
        print(text, file=sys.stderr)
    return code


def _run(
    action: str, lines: Sequence[str], memory: FactsMemory, arguments: tuple[str, ...] = ()
) -> tuple[int, str]:
    """Run one action; its exit code and the text to show. Never raises, so that a worker goes on."""
    try:
        request = replace(with_paths_on_disk(parse_request(lines)), arguments=arguments)
        warnings = ACTIONS[action](request, memory)
    except HermpkgError as error:
        return error.exit_code, error.render()
    except Exception:  # noqa: BLE001
        import traceback

        return ExitCode.INTERNAL, traceback.format_exc()
    return ExitCode.SUCCESS, "\n".join(f"warning: {text}" for text in warnings)


def _serve(action: str) -> None:
    from hermpkg_build.bazel.worker import serve

    # Standard output belongs to the protocol: what anything else prints goes to the worker's log.
    responses = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    memory: FactsMemory = {}
    with responses:
        serve(lambda lines: _run(action, lines, memory), sys.stdin.buffer, responses)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
