"""Scans the files of a folder with one of the other scanners, in the environment that it is installed in.

``scan_peers.py TOOL FOLDER`` prints a JSON object: file name -> ``found``, ``clean`` or ``cannot read``, and
the seconds of all.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path


def picklescan(path: str) -> str:
    """Scan one file with picklescan."""
    from picklescan.scanner import scan_file_path

    result = scan_file_path(path)
    if result.issues_count:
        return "found"
    return "cannot read" if result.scan_err or not result.scanned_files else "clean"


def fickling(path: str) -> str:
    """Scan one file with fickling, which reads plain pickles."""
    from fickling import is_likely_safe

    return "clean" if is_likely_safe(path) else "found"


def modelscan(path: str) -> str:
    """Scan one file with modelscan."""
    from modelscan.modelscan import ModelScan
    from modelscan.settings import DEFAULT_SETTINGS

    result = ModelScan(settings=DEFAULT_SETTINGS).scan(path)
    if result["summary"]["total_issues"]:
        return "found"
    return (
        "clean" if result["summary"]["scanned"]["total_scanned"] and not result["errors"] else "cannot read"
    )


TOOLS: dict[str, Callable[[str], str]] = {
    "picklescan": picklescan,
    "fickling": fickling,
    "modelscan": modelscan,
}


def verdict(tool: str, path: str) -> str:
    """What a scanner says of a file."""
    try:
        return TOOLS[tool](path)
    except Exception:
        return "cannot read"


def main(tool: str, folder: str) -> None:
    """Scan and print."""
    logging.disable()
    started = time.perf_counter()
    verdicts = {path.name: verdict(tool, str(path)) for path in sorted(Path(folder).iterdir())}
    seconds = time.perf_counter() - started
    print(json.dumps({"verdicts": verdicts, "seconds": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
