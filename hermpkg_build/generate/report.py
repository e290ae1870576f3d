"""What packing a model came to: the decisions, what must be installed, the check, the policy to keep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hermpkg_build.analysis.decisions import ABSENT, OWN_PART, UNUSED, Decision
from hermpkg_build.core.json_codec import OMITTED, to_json
from hermpkg_build.core.texts import aligned, first_of, size_text
from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.generate.decided import TITLES
from hermpkg_build.printable import one_line

_SHOWN = 12
_UNTOLD = (ABSENT, UNUSED)
"""The rows of what is listed below by name alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """How the package was checked in a process in which nothing that it holds could be imported.

    `how` says it in words. `parts` of the output were compared; `difference` is the largest one between two
    numbers, 0 where all bits are equal.
    """

    how: str
    parts: int = 0
    difference: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PackReport:
    """What `pack` made.

    `bytes` is the size of the file at `path`, `sha256` its digest, `tensor_bytes` the part of its tensors.
    `decisions` say what became of each distribution and each module without one, sorted by name. `install`
    are the distributions that must be installed where the file lands, with the versions (PEP 440) that may
    be; `optional` those that are used where they are there. `left_out` are modules that code imports in ways
    that may fail, and that are not installed here. `build_policy` is the policy as it stands in a BUILD file,
    `exporter_calls` the same as calls of a PackageExporter. `notes` tell what was tried twice, and what the
    packed code may miss.

    ``print(report)`` shows it to people, `to_json` gives all of it as plain values.

    >>> import hermpkg_build
    >>> report = hermpkg_build.pack(["cat", "dog"], "classes.pt")
    >>> report.install, report.to_json()["path"]
    ({}, 'classes.pt')
    """

    path: str
    bytes: int
    sha256: str
    tensor_bytes: int
    decisions: tuple[Decision, ...]
    install: Mapping[str, str]
    optional: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    verified: Verified
    build_policy: str
    exporter_calls: str
    notes: tuple[str, ...] = field(default=(), metadata=OMITTED)

    def to_json(self) -> dict[str, Any]:
        """All of it as values of JSON."""
        value: dict[str, Any] = to_json(self)
        return value

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ARG002 - IPython's protocol
        """Write what a notebook shows below a cell that ends with the report."""
        printer.text(str(self))

    def lines(self) -> Iterator[str]:
        """The report as lines for people."""
        yield from (one_line(line) for line in self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{self.path}  {size_text(self.bytes)}, of which tensors are {size_text(self.tensor_bytes)}"
        yield f"checked: {self.verified.how}"
        for policy, title in TITLES.items():
            chosen = [each for each in self.decisions if each.policy is policy and each.row not in _UNTOLD]
            if chosen:
                yield ""
                yield f"{title}:"
                yield from aligned(_row(decision) for decision in chosen)
        if self.install:
            yield ""
            yield "must be installed where it lands:"
            yield f"  pip install {' '.join(_quoted(self.install))}"
        if compiled := [each.name for each in self.decisions if each.row == OWN_PART]:
            yield f"and, as a wheel of your own, what is compiled of your code: {', '.join(compiled)}"
        if self.optional:
            yield f"used where they are installed: {', '.join(self.optional)}"
        if self.left_out:
            shown = ", ".join(first_of(self.left_out, _SHOWN))
            yield f"asked for in code that did not run, not installed here, and left out: {shown}"
        yield from (f"note: {note}" for note in self.notes)
        yield ""
        yield "the policy, for a BUILD file:"
        yield from (f"  {line}" for line in self.build_policy.splitlines())


def _row(decision: Decision) -> Sequence[str]:
    size = size_text(decision.bytes) if decision.bytes else ""
    return f"  {decision.name}", decision.version, f"{size:>9}", decision.reason


def _quoted(install: Mapping[str, str]) -> list[str]:
    return [f"'{name}{versions}'" for name, versions in sorted(install.items())]
