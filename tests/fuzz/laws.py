"""Laws of every reader: documented errors alone, told in words that control no terminal."""

from __future__ import annotations

import contextlib
import io
import json
import random
import re
import sys
import traceback
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mutation.any_form import other_of_its_form
from target import Attempt, Target

from hermpkg_build.cli.console import Console, error_json
from hermpkg_build.errors import ExitCode, HermpkgError

_LONGEST = 100_000
"""Characters of an error: more is no words."""

_SHOWN = 5

_CONTROLS = re.compile(
    "|".join(
        re.escape(character)
        for character in map(chr, range(sys.maxunicode + 1))
        if character not in "\n\t" and unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp")
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One reader: `read` takes bytes, and raises errors of hermpkg or those that it documents, `raises`.

    `sound` is an input that it takes.
    """

    sound: bytes
    read: Callable[[bytes], object]
    raises: tuple[type[Exception], ...] = ()


def controls_in(shown: str) -> list[str]:
    """Return the characters of a text that control a terminal."""
    if shown.translate({9: None, 10: None}).isprintable():
        return []
    return sorted(set(_CONTROLS.findall(shown)))


def broken_by(reader: Reader, data: bytes) -> Iterator[str]:
    """Tell which laws `reader` breaks where it reads `data`."""
    try:
        reader.read(data)
    except HermpkgError as error:
        yield from broken_by_telling(error)
    except reader.raises:
        pass
    except Exception as error:
        yield told(error)


def told(error: Exception) -> str:
    """Say what was raised, and by which lines."""
    frames = traceback.extract_tb(error.__traceback__)[-_SHOWN:]
    lines = ", ".join(f"{'/'.join(frame.filename.split('/')[-3:])}:{frame.lineno}" for frame in frames)
    return f"raised {type(error).__name__}: {str(error)[:200]!a} at {lines}"


def broken_by_telling(error: HermpkgError) -> Iterator[str]:
    """Tell which laws an error breaks where it is shown."""
    if error.exit_code is ExitCode.INTERNAL:
        yield f"was a bug: {error}"
    output = io.StringIO()
    with contextlib.redirect_stderr(output), contextlib.redirect_stdout(output):
        Console(color="never").describe(error)
        json.dumps(error_json(error))
    shown = output.getvalue()
    if bad := controls_in(shown):
        yield f"printed {bad}"
    if len(shown) > _LONGEST:
        yield f"printed {len(shown)} characters"


def in_file(path: Path, sound: bytes, read: Callable[[], object]) -> Reader:
    """Return the reader of the file at `path`, which has `sound` bytes again afterwards."""

    def written(data: bytes) -> object:
        path.unlink(missing_ok=True)  # What was read before may be mapped.
        path.write_bytes(data)
        try:
            return read()
        finally:
            path.unlink(missing_ok=True)
            path.write_bytes(sound)

    path.write_bytes(sound)
    return Reader(sound=sound, read=written)


def target_of(
    readers: Callable[[Path], Mapping[str, Reader]],
    mutant: Callable[[bytes, random.Random], bytes] = other_of_its_form,
) -> Target:
    """Return the target of several readers, which are made in a folder, by their names."""
    made: dict[str, Reader] = {}

    def seeds(folder: Path) -> Mapping[str, bytes]:
        made.update(readers(folder))
        return {name: reader.sound for name, reader in made.items()}

    def broken_laws(data: bytes, attempt: Attempt) -> Iterator[str]:
        return broken_by(made[attempt.seed.name], data)

    return Target(seeds=seeds, mutant=mutant, broken_laws=broken_laws)
