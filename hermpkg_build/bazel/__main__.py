"""``python -m hermpkg_build.bazel ACTION [--environment=DIGEST] @REQUEST``: what the rules for Bazel run.

With ``--persistent_worker`` in place of the request, it goes on to answer requests until its standard
input ends. An exit code other than 0 comes with the reason on standard error. The test action takes
further arguments, which are those of the test.

Bazel starts another worker where its command line is another. So that of an action which depends on what
is installed has a digest of that: a process finds modules on the search path that it started with.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hermpkg_build.bazel.actions import ACTIONS
from hermpkg_build.bazel.facts_files import FactsMemory
from hermpkg_build.bazel.request import as_found, parse_request
from hermpkg_build.errors import ExitCode, HermpkgError


def main(arguments: Sequence[str]) -> int:
    """Run the action that `arguments` name, or serve; the exit code."""
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
    """The exit code of an action and the text to show; whatever goes wrong, a worker goes on."""
    try:
        request = replace(as_found(parse_request(lines)), arguments=arguments)
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
