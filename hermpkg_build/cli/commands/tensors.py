"""``hermpkg tensors``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import flag, operand, option
from hermpkg_build.cli.command import command
from hermpkg_build.cli.console import Console
from hermpkg_build.cli.operands import is_file
from hermpkg_build.cli.remote import EngineArguments
from hermpkg_build.core.file_kinds import TENSORS
from hermpkg_build.core.texts import aligned, counted, listed, size_text
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import CommandLineError, ExitCode
from hermpkg_build.printable import pasteable

if TYPE_CHECKING:
    from hermpkg_build.core.canonical_json import Json
    from hermpkg_build.inspection.tensor_files import TensorFile
    from hermpkg_build.pickles.reading.tensor_entries import TensorEntry

_MOST_NAMES_TOLD = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorsArguments(EngineArguments):
    """What ``hermpkg tensors`` is told: a file or a label, and which of its pickles."""

    artifact: str = operand("LABEL|FILE")
    package: str = operand("[PACKAGE]")
    resource: str = operand("[RESOURCE]")
    to: str | None = option(
        "--to FILE", "write the tensors as the safetensors file FILE", read=str, default=None, writes=TENSORS
    )
    all: bool = flag(
        "--all",
        "take of a module also the tensors that its `state_dict` leaves out, such as buffers that are not "
        "persistent",
    )
    partial: bool = flag("--partial", "with `--to`, leave out what cannot be written, and name it")


@command(
    TensorsArguments,
    group="look into artifacts",
    example="hermpkg tensors model.pt model model.pkl --to model.safetensors",
)
def run(arguments: TensorsArguments, console: Console) -> ExitCode:
    """List the tensors of a file by name, or write them as safetensors; nothing of the file runs.

    The pickle is read as data: no global that it names is imported, and no code of the artifact or of a
    library runs. FILE is an artifact, also one of torch.package, a file of torch.save, or a plain pickle; of
    a label the artifact is built first. PACKAGE and RESOURCE name one of several pickles, as `load_pickle`
    has them: `model model.pkl`.

    The tensors of a module have the names of its `state_dict`. With `--to`, tensors that share data are
    written once for each name, as the format knows no sharing, and a note says which. Equal tensors under
    equal names give the same bytes. What cannot be written is refused by name, and FILE is as it was.
    """
    from hermpkg_build.inspection.tensor_files import tensor_file, tensors_in_archive

    if arguments.package and not arguments.resource:
        raise CommandLineError(
            "PACKAGE and RESOURCE belong together",
            next_step=pasteable("hermpkg", "tensors", arguments.artifact, "model", "model.pkl"),
        )
    if arguments.partial and arguments.to is None:
        raise CommandLineError("--partial says what --to writes: give both")
    record = _record(arguments)
    if is_file(arguments.artifact):
        file = tensor_file(arguments.artifact, record)
    else:
        from hermpkg_build.cli.building import open_artifact

        file = tensors_in_archive(open_artifact(arguments.artifact, arguments, console), record)
    for name, reason in file.unread.items():
        console.warn(f"the pickle {name} cannot be read: {reason}")
    if arguments.to is not None:
        return _write(arguments, arguments.to, file, console)
    console.give_json({"file": file.name, "pickles": _pickles_json(file, all_of_them=True)})
    for line in _lines(file, everything=arguments.all):
        console.say(line)
    return ExitCode.BUILD_FAILED if file.unread else ExitCode.SUCCESS


def _record(arguments: TensorsArguments) -> str:
    from hermpkg_build.archive.layout import resource_record_name

    if not arguments.resource:
        return ""
    try:
        return resource_record_name(arguments.package, arguments.resource)
    except ValueError as error:
        raise CommandLineError(f"RESOURCE is wrong: {error}") from None


def _lines(file: TensorFile, *, everything: bool) -> Iterator[str]:
    for record, entries in file.pickles.items():
        shown = [entry for entry in entries if everything or entry.in_state]
        if len(file.pickles) > 1:
            yield f"{record}:"
        yield from aligned(_rows(shown))
        left_out = len(entries) - len(shown)
        if left_out:
            yield f"not in the state dict: {counted(left_out, 'tensor')}; --all shows them"
        if len(file.pickles) > 1:
            yield ""
    if not file.pickles:
        yield "no pickles"


def _rows(entries: Sequence[TensorEntry]) -> Iterator[tuple[str, str, str]]:
    first: dict[int, str] = {}
    for entry in entries:
        known = first.setdefault(entry.place, entry.name)
        form, reason = _form(entry)
        notes = [reason] if reason else []
        notes += [f"the same as {known}"] if known != entry.name else []
        notes += [] if entry.in_state else ["not in the state dict"]
        yield entry.name, form, "; ".join(notes)


def _form(entry: TensorEntry) -> tuple[str, str]:
    """Return a tensor's type and shape in words, and what is unusual: why it cannot be made of data, say."""
    from hermpkg_build.pickles.reading.recipes import NoRecipe, SparseRecipe

    recipe = entry.recipe
    if isinstance(recipe, NoRecipe):
        return "?", f"not readable as data: {recipe.reason}"
    notes = []
    if isinstance(recipe, SparseRecipe):
        tensor = recipe.parts[-1].tensor
        form = f"{tensor.dtype}[{', '.join(map(str, recipe.shape))}]"
        notes.append(recipe.layout)
    else:
        tensor = recipe.tensor
        form = str(tensor)
    if tensor.storage.device != "cpu":
        # Where it goes when it is loaded, unless something else is asked for.
        notes.append(f"on {tensor.storage.device}")
    return form, ", ".join(notes)


def _pickles_json(file: TensorFile, *, all_of_them: bool) -> Json:
    return [
        {
            "record": record,
            "tensors": [
                {
                    "name": entry.name,
                    "form": _form(entry)[0],
                    "note": _form(entry)[1],
                    "in_state_dict": entry.in_state,
                }
                for entry in entries
                if all_of_them or entry.in_state
            ],
        }
        for record, entries in file.pickles.items()
    ]


def _write(arguments: TensorsArguments, path: str, file: TensorFile, console: Console) -> ExitCode:
    from hermpkg_build.inspection.safetensors_file import refuse_unwritable, why_unwritable, write_safetensors

    record, entries = _one_pickle(arguments, file)
    chosen = [entry for entry in entries if arguments.all or entry.in_state]
    reasons = {entry.name: why for entry in chosen if (why := why_unwritable(entry))}
    if reasons and not arguments.partial:
        raise refuse_unwritable(file, reasons)
    _check_path(path)
    written = write_safetensors(path, file, [entry for entry in chosen if entry.name not in reasons])
    console.give_json(
        {
            "file": file.name,
            "pickle": record,
            "path": path,
            "written": {"tensors": written.tensors, "bytes": written.bytes},
            "shared": [list(group) for group in written.shared],
            "left_out": dict(reasons),
            "not_in_state_dict": [entry.name for entry in entries if not (entry.in_state or arguments.all)],
        }
    )
    _tell(console, written.shared, reasons, len(entries) - len(chosen))
    console.say(f"{path}  {counted(written.tensors, 'tensor')}, {size_text(written.bytes)}")
    return ExitCode.SUCCESS


def _tell(
    console: Console, shared: Sequence[Sequence[str]], reasons: Mapping[str, str], left_out: int
) -> None:
    for name, reason in reasons.items():
        console.warn(f"left out {name}: {reason}")
    if left_out:
        console.note(
            f"{counted(left_out, 'tensor')} of the module, which its state dict leaves out: --all writes them"
        )
    if shared:
        groups = "; ".join(" = ".join(group[:_MOST_NAMES_TOLD]) for group in shared[:_MOST_NAMES_TOLD])
        more = f"; and {len(shared) - _MOST_NAMES_TOLD} more" if len(shared) > _MOST_NAMES_TOLD else ""
        console.note(f"tensors that share data are written once for each name: {groups}{more}")


def _one_pickle(arguments: TensorsArguments, file: TensorFile) -> tuple[str, Sequence[TensorEntry]]:
    """Return the one pickle of the file that has tensors. Raises CommandLineError where there are several."""
    having = {record: entries for record, entries in file.pickles.items() if entries}
    if len(having) > 1:
        record = next(iter(having))
        folder, _, resource = record.rpartition("/")
        words = (arguments.artifact, folder.replace("/", "."), resource, "--to", arguments.to)
        raise CommandLineError(
            f"several pickles have tensors: {listed(list(having), 5)}",
            next_step=f"name one: {pasteable('hermpkg', 'tensors', *map(str, words))}",
        )
    if not having:
        from hermpkg_build.errors import ArchiveError

        raise ArchiveError("the file has no tensors that a pickle names", facts=[("file", file.name)])
    return next(iter(having.items()))


def _check_path(path: str) -> None:
    import os

    if os.path.isdir(path):
        raise CommandLineError(f"--to names a folder: {path}", next_step="name a file in it")
