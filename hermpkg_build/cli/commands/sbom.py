"""``hermpkg sbom``."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import flag, operand, option
from hermpkg_build.cli.command import command
from hermpkg_build.cli.console import Console
from hermpkg_build.cli.made_time import made_time
from hermpkg_build.cli.operands import writing
from hermpkg_build.cli.remote import EngineArguments
from hermpkg_build.core.file_kinds import BILL
from hermpkg_build.core.texts import counted, size_text
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import CommandLineError, ExitCode, HermpkgError

if TYPE_CHECKING:
    from hermpkg_build.core.canonical_json import Json
    from hermpkg_build.provenance.bill import Bill
    from hermpkg_build.provenance.license_table import LicenseRow


@dataclass(frozen=True, slots=True, kw_only=True)
class SbomArguments(EngineArguments):
    """What ``hermpkg sbom`` is told: an artifact, a label or a file, and what to say of it."""

    artifact: str = operand("LABEL|FILE")
    format: str = option(
        "--format FORMAT",
        "write the bill as `cyclonedx` (1.6) or as `spdx` (3.0.1), both in JSON",
        read=str,
        default="cyclonedx",
        choices=("cyclonedx", "spdx"),
    )
    output: str | None = option(
        "-o, --output FILE",
        "write the bill to FILE (default: to standard output)",
        read=str,
        default=None,
        writes=BILL,
    )
    time: str | None = option(
        "--time TIME",
        "say in the bill that it was made at TIME, such as `2026-01-31T12:00:00Z` (default: "
        "`$SOURCE_DATE_EPOCH`, else no time, so that equal artifacts have equal bills)",
        read=str,
        default=None,
    )
    licenses: bool = flag("--licenses", "print the licences of packed distributions as a table, and no bill")
    fail_on: str | None = option(
        "--fail-on WHAT",
        "exit with 3 where the licence of packed code is among WHAT, words with commas between them: what it "
        "demands (`permissive`, `weak-copyleft`, `strong-copyleft`, `proprietary`, `unknown`), or SPDX "
        "licences such as `AGPL-3.0-only`",
        read=str,
        default=None,
    )
    own: str | None = option(
        "--own MODULES",
        "take these top-level modules, which no known distribution has, for own code: scripts that `pack` "
        "packed, for example; names with commas between them",
        read=str,
        default=None,
    )


@command(
    SbomArguments, group="look into artifacts", example="hermpkg sbom //models:resnet -o resnet.cdx.json"
)
def run(arguments: SbomArguments, console: Console) -> ExitCode:
    """Write a bill of materials, or the licences of what is packed.

    The bill names each packed distribution with its version, licence, purl and the SHA-256 of its files; own
    code; what must be installed, in which versions; models with the digests of their weights; and which of
    these needs which. Equal artifacts give equal bytes. What cannot be known, as of archives of
    torch.package, is said in it. Licences are those that packages state of themselves when the artifact is
    built; how each is known, and what it demands, stands beside it.

    Nothing of the artifact runs. It needs the extra ``sbom``.
    """
    from hermpkg_build.cli.building import open_artifact
    from hermpkg_build.provenance.bill import bill_of
    from hermpkg_build.provenance.license_table import license_rows
    from hermpkg_build.provenance.licenses import Basis

    time = made_time(arguments.time)
    if arguments.licenses and arguments.output is not None:
        raise CommandLineError("--licenses prints a table, and --output writes a bill: give one of them")
    refused = _refused(arguments.fail_on)
    with open_artifact(arguments.artifact, arguments, console) as archive:
        bill = bill_of(archive, own=_words(arguments.own))
    _check_own(bill, _words(arguments.own))
    rows = license_rows(bill, refused) if refused else ()
    if arguments.licenses:
        _tell_licenses(bill, rows, console)
    else:
        _write_bill(arguments, bill, time, rows, console)
    if not rows:
        return ExitCode.SUCCESS
    console.describe(
        HermpkgError(
            f"--fail-on refuses the licences of {counted(len(rows), 'packed distribution')}",
            facts=[(row.name, _why_refused(row)) for row in rows],
            next_step=(
                f"where {unclaimed[0].name} is your own: --own {unclaimed[0].name}"
                if (unclaimed := [row for row in rows if row.known_by == Basis.NO_DISTRIBUTION])
                else "extern() what may be installed where it lands, mock() what is not used, or allow it"
            ),
        )
    )
    return ExitCode.TESTS_FAILED


def _why_refused(row: LicenseRow) -> str:
    users = f"; needed by {', '.join(row.needed_by)}" if row.needed_by else ""
    return f"{row.license} ({row.demand}; known by {row.known_by}){users}"


def _tell_licenses(bill: Bill, refused: Sequence[LicenseRow], console: Console) -> None:
    from hermpkg_build.core.json_codec import to_json
    from hermpkg_build.provenance.license_table import license_rows, table_lines

    console.give_json(
        {
            "licenses": to_json(license_rows(bill)),
            "refused": [row.name for row in refused],
            "unknown": list(bill.unknown),
        }
    )
    console.say_all(table_lines(bill, everything=console.verbose))


def _write_bill(
    arguments: SbomArguments,
    bill: Bill,
    time: datetime | None,
    refused: Sequence[LicenseRow],
    console: Console,
) -> None:
    from hermpkg_build.cli.ascii_json import pretty_ascii

    document = _makers()[arguments.format](bill, time)
    text = pretty_ascii(document)
    path = arguments.output
    if path is None:
        console.give_json(document)
        console.say_all(text.splitlines())
        return
    data = f"{text}\n".encode()
    _replace(path, data)
    console.give_json({"path": path, "bytes": len(data), "refused": [row.name for row in refused]})
    console.say(f"{path}  {size_text(len(data))}")


def _makers() -> dict[str, Callable[[Bill, datetime | None], dict[str, Json]]]:
    from hermpkg_build.provenance.cyclonedx import cyclonedx_document
    from hermpkg_build.provenance.spdx import spdx_document

    return {
        "cyclonedx": lambda bill, time: cyclonedx_document(bill, time=time),
        "spdx": lambda bill, time: spdx_document(bill, time=time),
    }


def _replace(path: str, data: bytes) -> None:
    from hermpkg_build.disk.replacing import replace_file

    if os.path.isdir(path):
        raise CommandLineError(f"--output names a folder: {path}", next_step="name a file in it")
    with writing("the bill", path):
        if path.startswith(("/dev/", "/proc/")) or (os.path.exists(path) and not os.path.isfile(path)):
            with open(path, "wb") as file:  # Standard output by its path, or a pipe.
                file.write(data)
        else:
            replace_file(path, data)


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, (text or "").split(","))))


def _check_own(bill: Bill, names: Sequence[str]) -> None:
    """Raise CommandLineError where a name of ``--own`` is no module that can be own code."""
    from hermpkg_build.core.spelling import question
    from hermpkg_build.provenance.bill import PartKind

    there = [part.name for part in bill.of_kind(PartKind.OWN_CODE)]
    for name in names:
        if name not in there:
            loose = [part.name for part in bill.of_kind(PartKind.MODULE) if part.is_inside]
            raise CommandLineError(
                f"--own: the artifact packs no top-level module {name!r} of no known distribution",
                next_step=question(name, loose)
                or (f"there are: {', '.join(sorted(loose))}" if loose else "leave the option out"),
            )


def _refused(words: str | None) -> tuple[str, ...]:
    """Read ``--fail-on``."""
    if words is None:
        return ()
    from hermpkg_build.provenance.license_words import Demand
    from hermpkg_build.provenance.licenses import refusable

    found = []
    for word in _words(words):
        known = refusable(word)
        if known is None:
            raise CommandLineError(
                f"--fail-on: {word!r} is neither an SPDX licence nor what licences demand",
                next_step=f"one of {', '.join(Demand)}, or a licence such as AGPL-3.0-only",
            )
        found.append(known)
    if not found:
        raise CommandLineError("--fail-on says nothing", next_step="give a word, such as unknown")
    return tuple(found)
