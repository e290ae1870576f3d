"""Writes scan.md from the tables that `hermpkg scan` judges by.

Run as ``python docs/reference/make_scan.py``; a test compares the page with what this would write.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hermpkg_build.scanning.findings import Kind, Level
from hermpkg_build.scanning.harmless import GROUPS
from hermpkg_build.scanning.known_names import Capability

PAGE = Path(__file__).with_name("scan.md")

_HEAD = """\
# What a scan calls clean

This page is made from the tables that `hermpkg scan` judges by. [How to use it](../how-to/scan-a-file.md) is
another page.

## Levels

| level | means | exit code 3 |
|---|---|---|
| `dangerous` | can do more than compute, has a computed name, or changes what it imports | yes |
| `unknown` | nobody can tell: a name on no list, or bytes that not every reader can read | by default |
| `note` | cannot harm by itself: packed classes, code that reads files or starts threads | with `--strict` |

## Harmless names

A pickle is clean where everything that it names is on this list, or is a class or function of the artifact
itself, whose code is then read. Nothing else is, and a name counts as a whole: `torch.Size.__init__` is not
on it. The names of torch are those that `torch.load(weights_only=True)` takes.

"""

_CAPABILITIES = """
## Capabilities of code

Packed source is read for mentions of functions that can do one of these, under whatever name it has them: by
`import ... as`, `getattr`, `__import__`, `importlib`, `__builtins__`, `globals()`, `sys.modules`, or another
packed module that hands them on. A function that is only mentioned counts, too: what is handed on is called
elsewhere. The words are those of `capabilities` in a policy.

| word | the code | level |
|---|---|---|
"""

_TAIL = """
## What else is found

| kind | is about |
|---|---|
"""

_KINDS = {
    Kind.PICKLE: "what a pickle imports, calls or changes, also where the result is thrown away",
    Kind.CODE: "a place in packed source, or in the code of TorchScript",
    Kind.NATIVE: "native libraries and compiled Python code, which are not read",
    Kind.UNREADABLE: "what is broken, encrypted, has a wrong checksum, or a format that is not known",
    Kind.HIDDEN: "records that no directory lists, bytes behind a pickle or before an archive",
}


def page() -> str:
    """The whole page."""
    return "".join([_HEAD, *_groups(), _CAPABILITIES, *_rows(), _TAIL, *_kinds()])


def _groups() -> Iterator[str]:
    for group, modules in GROUPS.items():
        yield f"**{group[0].upper()}{group[1:]}**\n\n| module | names |\n|---|---|\n"
        for module, names in modules.items():
            yield f"| `{module}` | {', '.join(f'`{name}`' for name in sorted(names.split()))} |\n"
        yield "\n"


def _rows() -> Iterator[str]:
    for capability in Capability:
        level = Level.DANGEROUS if capability.is_dangerous else Level.NOTE
        yield f"| `{capability.word}` | {capability} | `{level.word}` |\n"


def _kinds() -> Iterator[str]:
    for kind in Kind:
        yield f"| `{kind}` | {_KINDS[kind]} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
