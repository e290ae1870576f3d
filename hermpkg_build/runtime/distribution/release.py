"""Cuts a release: ``release.py [VERSION] [--dry-run]``.

Sets the version everywhere, makes what is unreleased in CHANGELOG.md the section of the version, makes all
files in dist/ and has them checked, commits and tags. All that happens in a work tree of its own, so that
the checkout is as it was unless everything went well. Nothing is pushed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from changelog import ChangelogError, cut, is_empty, released_versions, section_of
from packaging.version import InvalidVersion, Version
from split import CHECKOUT
from versions import SOURCE, set_version, version_places

_FILES = "hermpkg_build/runtime/distribution/check_release.py"

Maker = Callable[[Path, Path], None]
"""Makes all files of a release of a checkout in a folder, and has them checked. Raises CalledProcessError."""


class ReleaseError(Exception):
    """A release cannot be cut; each argument is one reason."""


def main(words: list[str]) -> int:
    """Cut a release, or tell all that is in its way; return the exit code."""
    parser = argparse.ArgumentParser(prog="make release", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("version", nargs="?", default="", help="the version, such as 0.2.0")
    parser.add_argument(
        "--dry-run", action="store_true", help="make and check all files in dist/, nothing else"
    )
    arguments = parser.parse_args(words)
    try:
        release(CHECKOUT, arguments.version, dry_run=arguments.dry_run, make=_make)
    except ReleaseError as error:
        for reason in error.args:
            print(f"make release: {reason}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        sys.stderr.write(error.stderr or "")
        print(f"make release: {error}; the checkout is as it was", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("make release: interrupted; the checkout is as it was", file=sys.stderr)
        return 130
    return 0


def release(checkout: Path, version: str, *, dry_run: bool, make: Maker) -> None:
    """Cut a release of a checkout. Raises ReleaseError with all reasons why not, CalledProcessError."""
    version = version or _next_version(checkout)
    if reasons := list(problems(checkout, version, dry_run=dry_run)):
        raise ReleaseError(*reasons)
    with _work_tree(checkout) as tree:
        set_version(tree, version)
        changelog = tree / "CHANGELOG.md"
        text = changelog.read_text(encoding="utf-8")
        if version not in released_versions(text):
            changelog.write_text(cut(text, version, _today()), encoding="utf-8")
        if left := [place for place in version_places(tree) if place.version != version]:
            raise ReleaseError(*(f"{each.file}:{each.line}: the version was not set" for each in left))
        if _git(tree, "status", "--porcelain"):
            _git(tree, "commit", "--quiet", "--all", "--message", f"Release {version}")
        make(tree, checkout / "dist")
        if dry_run:
            print(_git(tree, "diff", "--stat", _git(checkout, "rev-parse", "HEAD"), "HEAD"))
            print(f"{version} could be released; dist/ has its files, and nothing else was changed")
            return
        _git(tree, "tag", "--annotate", "--message", f"hermpkg {version}", f"v{version}", "HEAD")
    _git(checkout, "merge", "--quiet", "--ff-only", f"v{version}")
    branch = _git(checkout, "rev-parse", "--abbrev-ref", "HEAD")
    print(f"{version} is committed and tagged; this publishes it:")
    print(f"  git push --atomic origin {branch} v{version}")


def problems(checkout: Path, version: str, *, dry_run: bool = False) -> Iterator[str]:
    """Yield every reason why the checkout cannot be released as the version, with what to do about it."""
    if changed := _git(checkout, "status", "--porcelain"):
        some = ", ".join(line.strip() for line in changed.splitlines()[:5])
        yield f"there are changes that are not committed: {some} -> git stash --include-untracked"
    if not dry_run and _git(checkout, "rev-parse", "--abbrev-ref", "HEAD") == "HEAD":
        yield "no branch is checked out, to which the release could be committed -> git switch main"
    tags = _git(checkout, "tag", "--list", "v*").split()
    if f"v{version}" in tags:
        yield f"there is a tag v{version} already -> take another version"
    text = (checkout / "CHANGELOG.md").read_text(encoding="utf-8")
    released = {*released_versions(text), *(tag.removeprefix("v") for tag in tags)}
    yield from _version_problems(checkout, version, released)
    try:
        if is_empty(section_of(text, "Unreleased")):
            yield "CHANGELOG.md says nothing below ## [Unreleased] -> write there what is new"
    except ChangelogError as error:
        yield str(error)


def _version_problems(checkout: Path, version: str, released: set[str]) -> Iterator[str]:
    now = _current_version(checkout)
    for place in version_places(checkout):
        if place.version != now:
            said = place.version or "no version"
            yield f"{place.file}:{place.line}: {said}, but {SOURCE} says {now} -> make them one"
    try:
        wanted = Version(version)
    except InvalidVersion:
        yield f"{version!r} is no version -> such as 1.2.0 or 1.2.0rc1"
        return
    if str(wanted) != version or wanted.local or wanted.epoch or len(wanted.release) != 3:
        usual = ".".join([*map(str, wanted.release), "0", "0"][:3])
        yield f"{version} is not written as releases are -> {usual}"
    numbers = [Version(each) for each in released if _is_version(each)]
    if numbers and wanted <= max(numbers):
        yield f"{version} is not greater than {max(numbers)}, which is released -> take a greater one"
    elif wanted < Version(now):
        yield f"{version} is less than {now}, the version of this checkout -> take a greater one"


def _is_version(text: str) -> bool:
    try:
        return bool(Version(text))
    except InvalidVersion:
        return False


def _current_version(checkout: Path) -> str:
    return str(next(place.version for place in version_places(checkout) if place.file == SOURCE))


def _next_version(checkout: Path) -> str:
    """Return the version of the checkout, where it is not released yet. Raises ReleaseError."""
    now = _current_version(checkout)
    text = (checkout / "CHANGELOG.md").read_text(encoding="utf-8")
    if now in released_versions(text) or _git(checkout, "tag", "--list", f"v{now}"):
        raise ReleaseError(f"{now} is released -> make release VERSION=...")
    return now


def _today() -> str:
    at = os.environ.get("SOURCE_DATE_EPOCH")
    return time.strftime("%Y-%m-%d", time.gmtime(float(at) if at else None))


@contextmanager
def _work_tree(checkout: Path) -> Iterator[Path]:
    """Check out what is committed in a folder of its own, which goes again."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "hermpkg")
        _git(checkout, "worktree", "add", "--quiet", "--detach", str(tree), "HEAD")
        try:
            yield tree
        finally:
            shutil.rmtree(tree, ignore_errors=True)
            _git(checkout, "worktree", "prune")


def _make(checkout: Path, folder: Path) -> None:
    """Make the files and have the tools of their ecosystems check them, by the programs of the work tree."""
    made = Path(tempfile.mkdtemp(prefix="hermpkg-release-"))
    try:
        subprocess.run([sys.executable, str(checkout / _FILES), str(made)], check=True)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _git(folder: Path, *words: str) -> str:
    command = ["git", *words]
    completed = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return completed.stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
