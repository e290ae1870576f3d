"""Archives, in every way that they are read: by the importer, by verify, inspect, diff and why."""

from __future__ import annotations

import contextlib
import io
import pickle
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

from laws import controls_in
from mutation.archives import mutant
from target import Attempt, Target
from targets.archive_seeds import make_archives

from hermpkg_build import PackageImporter
from hermpkg_build.archive.layout import MANIFEST
from hermpkg_build.archive.plan import plan_archive
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.archive.records import Record
from hermpkg_build.cli.main import main
from hermpkg_build.core.manifest import Manifest
from hermpkg_build.core.manifest_bytes import manifest_bytes
from hermpkg_build.errors import ExitCode, HermpkgError
from hermpkg_build.runtime.contents.checks import ArtifactModifiedWarning
from hermpkg_build.trust.errors import TrustError

_ALLOWED = {
    "inspect": {ExitCode.SUCCESS, ExitCode.BUILD_FAILED},
    "verify": {ExitCode.SUCCESS, ExitCode.TESTS_FAILED},
    "diff": {ExitCode.SUCCESS, ExitCode.BUILD_FAILED, ExitCode.TESTS_FAILED},
    "sbom": {ExitCode.SUCCESS, ExitCode.BUILD_FAILED, ExitCode.TESTS_FAILED},
    "trust": {ExitCode.SUCCESS, ExitCode.BUILD_FAILED, ExitCode.TESTS_FAILED},
    "why": {ExitCode.SUCCESS, ExitCode.BUILD_FAILED, ExitCode.QUERY_FAILED},
}


def broken_laws(archive: bytes, attempt: Attempt) -> Iterator[str]:
    """Tell how reading `archive` breaks a law.

    Commands end with their own exit codes and print nothing that controls a terminal. What `trust` prints is
    a policy by which the archive opens. What opens raises errors of hermpkg or none; a pickle may raise what
    it likes. What `verify` passes is the canonical archive of its records with a canonical manifest, and
    opens without a warning that it was edited.

    Every archive is verified and opened; the other commands take turns.
    """
    path, seed = attempt.folder / "mutant.pt", attempt.seed
    path.unlink(missing_ok=True)
    path.write_bytes(archive)
    others = (
        ["inspect", str(path)],
        ["inspect", "--tree", "--json", str(path)],
        ["diff", str(seed), str(path)],
        ["diff", "--json", str(path), str(seed)],
        ["why", str(path), "fuzzed.util"],
        ["trust", str(path)],
        ["sbom", str(path)],
        ["sbom", "--format", "spdx", "--json", str(path)],
        ["sbom", "--licenses", "-v", "--fail-on", "unknown", str(path)],
    )
    verified = False
    for words in (["verify", "--file-only", str(path)], others[attempt.number // 4 % len(others)]):
        code, shown = _run(words)
        if code not in _ALLOWED[words[0]]:
            yield f"{words[0]} ended with {code}: {shown[-1500:]}"
        if bad := controls_in(shown):
            yield f"{words[0]} printed {bad}"
        if "\nbreak.py" in shown:
            yield f"{words[0]} printed a name on a line of its own"
        if words[0] == "trust" and code == ExitCode.SUCCESS:
            yield from _broken_by_its_policy(path, shown)
        verified = verified or (words[0] == "verify" and code == ExitCode.SUCCESS)
    yield from _broken_by_opening(path, verified=verified)
    if verified:
        yield from _broken_by_verifying(path)


def _run(words: list[str]) -> tuple[int, str]:
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        code = main(words)
    return code, output.getvalue()


def _broken_by_its_policy(path: Path, policy: str) -> Iterator[str]:
    """What `trust` prints is a policy that accepts the archive, whatever else is wrong with it."""
    file = path.with_name("trust.toml")
    file.write_text(policy, encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            PackageImporter(path, check="off", trust=file).close()
        except TrustError as error:
            yield f"trust printed a policy that does not accept the archive: {error}"
        except HermpkgError:
            return


def _broken_by_opening(path: Path, *, verified: bool) -> Iterator[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            importer = PackageImporter(path, check="off" if verified else "error")
        except HermpkgError as error:
            if verified:
                yield f"verified, but does not open: {error}"
            return
        except Exception:
            yield f"opening raised {traceback.format_exc()[-1500:]}"
            return
    if verified and (told := [w for w in caught if issubclass(w.category, ArtifactModifiedWarning)]):
        yield f"verified, but opens with a warning: {told[0].message}"
    with warnings.catch_warnings(), contextlib.closing(importer):
        warnings.simplefilter("ignore")
        for load in (
            lambda: importer.load_pickle("model", "model.pkl"),
            lambda: importer.import_module("fuzzed.util"),
            lambda: str(importer.file_structure()),
        ):
            # What a pickle or a module does is its own matter, as long as the process lives.
            with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
                _use(load())


def _use(value: object) -> None:
    """Touch what a pickle gave: a tensor that has no bytes would end the process here."""
    for tensor in value.state_dict().values() if hasattr(value, "state_dict") else ():
        tensor.sum()
    pickle.dumps(value)


def _broken_by_verifying(path: Path) -> Iterator[str]:
    with ArchiveReader(path) as reader:
        records = [Record(name=name, content=reader.read(name)) for name in reader.names()]
        if b"".join(map(bytes, plan_archive(reader.root, records))) != path.read_bytes():
            yield "verified, but its records are laid out in another way"
        data = reader.read(MANIFEST) if reader.has(MANIFEST) else b""
    if not data:
        yield "verified, but it has no manifest"
    elif manifest_bytes(Manifest.from_bytes(data)) != data:
        yield "verified, but its manifest is not the canonical one"


TARGET = Target(seeds=make_archives, mutant=mutant, broken_laws=broken_laws)
