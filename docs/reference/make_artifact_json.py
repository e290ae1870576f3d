"""Writes artifact-json.md from the dataclasses that `inspect`, `why` and `diff` print as JSON.

Run as ``python docs/reference/make_artifact_json.py``; a test compares the page with what this would write.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from hermpkg_build.core import manifest
from hermpkg_build.core.json_codec import OMITTED
from hermpkg_build.core.module_roles import ModuleKind, Origin, Policy
from hermpkg_build.dataclass import fields
from hermpkg_build.inspection.contents import Contents, RecordFacts
from hermpkg_build.inspection.diff import differences
from hermpkg_build.inspection.groups import Group, GroupKind
from hermpkg_build.inspection.requirements import Needed
from hermpkg_build.inspection.tensors import ArchiveTensors, TensorFacts

PAGE = Path(__file__).with_name("artifact-json.md")

_HEAD = """\
# The JSON of inspect, why, diff and look

With `--json` each command prints one object on standard output and nothing else there. Where it fails, the
object has the one field `error`, with the fields of [errors](command-line.md). Later versions may add
fields. Sizes are bytes, digests SHA-256 in hexadecimal; a field in italics is left out where it has nothing
to say.

## hermpkg inspect

An object with the fields of *Contents* and of *ArchiveTensors*, and these:

- `groups`: the lines of the summary's table, each a *Group* with two more fields: `status`, what became of it
  in a few words, and `must_be_installed`
- `needed`: what must or may be installed where the artifact lands, each a *Needed*
- `edited`: what was edited since the build: objects with `change` (`changed`, `added`, `gone`) and `record`

"""

_WHY = """\
## hermpkg why

For a module: `module`, `policy` (`intern`, `extern`, `mock`, `deny`), `kind`, `origin`, `distribution`, and
`chain`, a shortest chain of imports from a root. With `--all` there is `imports` too: every import on any
way to the module. Each import has `source`, `target`, `kind` (`import`, `parent`, `observed`, `pickle`,
`declared`), `optional`, and `location`: null, or `path`, `line` and `column`.

For a tensor: `tensors`, each a *TensorFacts* with `model`: null, or a *ManifestModel*.

For a record: `record`, a *RecordFacts* with `belongs_to`, the group in words; `tensors`, the names of those
in a storage; `beside`, the packed module in whose folder a data file lies, with its `chain`; and `model`.

## hermpkg look

`path` of the page, and its size in `bytes`.

## hermpkg diff

A *Comparison*.

"""

_INSPECT_PARTS = (
    Contents,
    RecordFacts,
    ArchiveTensors,
    TensorFacts,
    Group,
    Needed,
    manifest.Manifest,
    manifest.ManifestRecord,
    manifest.ManifestModule,
    manifest.ManifestModel,
    manifest.ManifestTool,
)
_DIFF_PARTS = (
    differences.Comparison,
    differences.RecordDifference,
    differences.RecordSizes,
    differences.TensorDifference,
    differences.TextDifference,
    differences.PickleDifference,
    differences.PickleSide,
    differences.BytesDifference,
    differences.FactDifference,
)
_WORDS = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "true or false",
    "None": "null",
    "bytes": "hexadecimal digits",
    "Digest": "string `<sha256>/<size>`",
    "Detail": "TensorDifference, TextDifference, PickleDifference or BytesDifference",
    **{
        kind.__name__: ", ".join(f"`{member.value}`" for member in kind)
        for kind in (GroupKind, ModuleKind, Origin, Policy, manifest.RecordKind)
    },
}


def part(kind: type) -> str:
    """A section on one dataclass: its docstring, and its fields with their types."""
    text = re.sub(r"``(.+?)``", r"`\1`", inspect.getdoc(kind) or "").replace("None", "null")
    rows = "".join(
        f"| {_name(each.name, each.metadata == OMITTED)} | {_type(str(each.type))} |\n"
        for each in fields(kind)
    )
    return f"### {kind.__name__}\n\n{text}\n\n| field | type |\n|---|---|\n{rows}\n"


def _name(name: str, may_lack: bool) -> str:
    return f"*`{name}`*" if may_lack else f"`{name}`"


def _type(text: str) -> str:
    """A type in the words of JSON."""
    text = re.sub(r"tuple\[(.+), \.\.\.\]", r"array of \1", text)
    text = re.sub(r"Mapping\[str, (.+)\]", r"object, \1 by name", text)
    text = re.sub(r"Literal\[(.+)\]", lambda m: m[1].replace(", ", " or "), text)
    return re.sub(r"\w+", lambda m: _WORDS.get(m[0], m[0]), text).replace(" | ", " or ")


def page() -> str:
    """The page as it should be."""
    inspect_parts = "".join(map(part, _INSPECT_PARTS))
    return (_HEAD + inspect_parts + _WHY + "".join(map(part, _DIFF_PARTS))).rstrip("\n") + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
