"""Pages that are followed to the letter: files that they show are written, commands run and compared."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# A file is announced by its name on a line of its own, followed by a block that is its text.
STEP = re.compile(
    r"(?:^`(?P<file>[\w./]+)`:\n\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)

BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
INDENTED = re.compile(r"(?:^ {4}.*\n)+", re.MULTILINE)


def steps(page: Path) -> Iterator[tuple[str | None, str, str]]:
    """The (file, language, text) of each block of a page, in order."""
    for match in STEP.finditer(page.read_text(encoding="utf-8")):
        yield match["file"], match["language"], match["text"]


def loosely(expected: str) -> re.Pattern[str]:
    """A pattern for output in which ``...`` stands for anything, and blanks for any blanks."""
    parts = [r"\s+".join(map(re.escape, part.split())) for part in expected.split("...")]
    return re.compile(r"\s*" + r"[\s\S]*?".join(rf"\s*{part}\s*" for part in parts) + r"\s*")


def run_console(workspace: Any, text: str) -> None:
    """Run the commands of a console block and compare what they print."""
    for entry in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        line, _, expected = entry.partition("\n")
        program, *words = shlex.split(line)
        assert program == "hermpkg"
        outcome = workspace.run(*words)
        shown = outcome.stdout + ("" if outcome.stdout else outcome.stderr)
        assert loosely(expected).fullmatch(shown), f"{line}\n{outcome.stdout}\n{outcome.stderr}"


def follow(page: Path, workspace: Any) -> int:
    """Write the files of a page and run its consoles, in order; give how many of these there were."""
    ran = 0
    for file, language, text in steps(page):
        if file is not None:
            workspace.write(file, text)
        elif language == "console":
            run_console(workspace, text)
            ran += 1
    return ran


def commands_of(text: str) -> Iterator[list[str]]:
    """Give the words of each command of hermpkg's in blocks of shell, in consoles and in indented blocks."""
    blocks = [block["text"] for block in BLOCK.finditer(text) if block["language"] in ("sh", "console")]
    blocks += INDENTED.findall(BLOCK.sub("", text))
    for line in "".join(blocks).replace("\\\n", " ").split("\n"):
        line = line.strip().removeprefix("$ ")
        if not line.startswith("hermpkg ") or "COMMAND" in line or "OPTIONS" in line:
            continue
        words = shlex.split(line, comments=True)
        ends = [number for number, word in enumerate(words) if word in ("|", ">", "&&", ";")]
        yield words[1 : min(ends, default=len(words))]
