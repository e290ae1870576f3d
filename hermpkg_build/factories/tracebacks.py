"""Turns an exception of a factory into an error for its author: only their frames, at their line."""

from __future__ import annotations

import json
import linecache
import os
import traceback
from collections.abc import Iterator, Sequence

from hermpkg_build.disk.standard_library import interpreter
from hermpkg_build.errors import ActionError, Location
from hermpkg_build.factories.failures import FactoryError, UndeclaredImport
from hermpkg_build.factories.places import Place, Places
from hermpkg_build.factories.remedies import remedy, step_for_absent_file, step_for_compiled
from hermpkg_build.factories.workspace_finder import UndeclaredModuleError, is_machinery

_LONGEST_LINE = 1000


def error_of_factory(
    factory: str, error: BaseException, places: Places, missed: Sequence[str] = ()
) -> ActionError:
    """The error for an exception that the factory, or the import of its module, raised.

    `missed` are the relative paths that it looked for and would have found from the workspace root.
    """
    undeclared = next((e for e in _chain(error) if isinstance(e, UndeclaredModuleError)), None)
    if undeclared is not None:
        return _undeclared(undeclared, places)
    summary = f"the factory {factory} raised {_shortened(_first_line(error))}"
    if isinstance(error, SystemExit):
        summary = f"the factory {factory} ended the process: sys.exit({error.code!r})"
    elif isinstance(error, KeyboardInterrupt):
        summary = f"the factory {factory} raised KeyboardInterrupt"
    location, snippet = _place(error, places)
    return ActionError(
        summary,
        location=location,
        facts=[("traceback", trimmed_traceback(error, places)), *_where_looked(error)],
        snippet=snippet,
        next_step="\n".join(filter(None, _steps(error, location, missed, places))) or remedy(_chain(error)),
    )


def _first_line(error: BaseException) -> str:
    """The type of an exception and the first line of what it says: further ones are in the traceback."""
    lines = "".join(traceback.format_exception_only(type(error), error)).strip().splitlines()
    if isinstance(error, SyntaxError):  # It begins with the place.
        return next((line for line in lines if line.startswith(type(error).__name__)), lines[-1])
    return lines[0]


def _steps(
    error: BaseException, location: Location | None, missed: Sequence[str], places: Places
) -> Iterator[str]:
    """What to do about a file or a module that was not found."""
    yield step_for_compiled(_chain(error), lambda path: places.place_of(path) is Place.WORKSPACE)
    yield step_for_absent_file(_chain(error), places.workspace_root)
    yield _step_for_relative_path(error, location, missed)


def _where_looked(error: BaseException) -> Iterator[tuple[str, str]]:
    """The interpreter that lacks a module, where that is what went wrong."""
    if any(isinstance(each, ModuleNotFoundError) for each in _chain(error)):
        yield "looked in", interpreter()


def _step_for_relative_path(error: BaseException, location: Location | None, missed: Sequence[str]) -> str:
    """What to do where the factory asked for a file by a path from the folder it expected to run in."""
    chain = [*_chain(error)]
    absent = [each.filename for each in chain if isinstance(each, FileNotFoundError)]
    relative = [name for name in absent if isinstance(name, str) and not os.path.isabs(name)]
    if not any(isinstance(each, OSError) for each in chain):
        missed = [path for path in missed if any(path in str(each) for each in chain)]
    if not relative and not missed:
        return ""
    file = missed[0] if missed else relative[0]
    return (
        "factories run in a folder that has only the resources of deps, at their paths in the workspace:"
        f" list {file} in the resources of a python_modules target among the deps; packed code finds it by"
        f" its own place, {by_own_place(location.path if location else '', file)}"
    )


def by_own_place(source: str, file: str) -> str:
    """What code in the file `source` writes to find `file`; both are paths from the workspace root."""
    climb = 0 if os.path.isabs(source) else source.count("/")
    return f"Path(__file__).parents[{climb}] / {json.dumps(file)}"


def _undeclared(error: UndeclaredModuleError, places: Places) -> ActionError:
    site = error.site
    package = os.path.dirname(error.found)
    declare = f"add the python_modules target of //{package} that holds {error.found} to deps"
    location = Location(places.short_path(site.path), site.line) if site.path else None
    told = FactoryError(
        error.reason
        or f"the module {error.name} is in the workspace, but the deps of the target do not reach it",
        location=location,
        snippet=linecache.getline(site.path, site.line).strip(),
        facts=[("file", error.found), ("imported by", site.module or "the factory's name")],
        next_step=error.advice or declare,
    )
    if not error.advice:
        told.undeclared = UndeclaredImport(file=error.found, importer=site.module)
    return told


def _chain(error: BaseException) -> Iterator[BaseException]:
    """`error` and its causes, as far as a traceback shows them."""
    passed: set[int] = set()
    here: BaseException | None = error
    while here is not None and id(here) not in passed:
        passed.add(id(here))
        yield here
        here = here.__cause__ or (None if here.__suppress_context__ else here.__context__)


def _place(error: BaseException, places: Places) -> tuple[Location | None, str]:
    """The deepest line of the workspace with its text, or that of anything where none of it took part."""
    if isinstance(error, SyntaxError) and error.filename:
        place = Location(places.short_path(error.filename), error.lineno or 0, error.offset or 0)
        return place, (error.text or "").strip()
    frames = _frames(error)
    own = [frame for frame in frames if places.place_of(frame[0]) is Place.WORKSPACE]
    if not frames:
        return None, ""
    path, line = (own or frames)[-1]
    return Location(places.short_path(path), line), linecache.getline(path, line).strip() if own else ""


def _frames(error: BaseException) -> list[tuple[str, int]]:
    walked = traceback.walk_tb(error.__traceback__)
    found = [(frame.f_code.co_filename, line) for frame, line in walked]
    return [(_absolute(path), line) for path, line in found if not is_machinery(path)]


def _absolute(path: str) -> str:
    """The absolute path of a source file; names of code without a file, such as ``<string>``, stay."""
    return path if path.startswith("<") else os.path.abspath(path)


def trimmed_traceback(error: BaseException, places: Places) -> str:
    """The traceback with its causes, without the frames of the import system and the worker."""
    whole = traceback.TracebackException.from_exception(error)
    _trim(whole, places)
    return "\n".join(map(_shortened, "".join(whole.format()).rstrip().splitlines()))


def _shortened(line: str) -> str:
    """A line of a message, which may hold a whole tensor, cut to a length that can be read."""
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}… ({len(line):,} characters)"


def _trim(whole: traceback.TracebackException, places: Places) -> None:
    pending = [whole]
    while pending:
        part = pending.pop()
        part.stack = traceback.StackSummary.from_list(
            [
                traceback.FrameSummary(
                    places.short_path(f.filename), f.lineno, f.name, line=f.line, lookup_line=False
                )
                for f in part.stack
                if not is_machinery(f.filename)
            ]
        )
        related = [part.__cause__, part.__context__, *(getattr(part, "exceptions", None) or ())]
        if getattr(part, "filename", None):  # that of a SyntaxError
            part.filename = places.short_path(part.filename)
        pending += [other for other in related if other is not None]
