"""Makes all files of a release and has other tools check them: ``check_release.py FOLDER [TAG]``.

The tools lie beside the Python that runs this: `make release-check` makes an environment of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from release_files import make_release_files
from split import CHECKOUT, SplitError, version_of
from versions import version_places

_TOOLS = Path(sys.executable).parent
_SCHEMAS = Path(__file__).resolve().parent / "registry_schemas"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A tool with its words."""

    name: str
    words: Sequence[str]


def main(words: list[str]) -> int:
    """Make and check; tell all that is wrong; return the exit code."""
    folder = Path(words[0] if words else "dist").resolve()
    try:
        for path in make_release_files(folder):
            size = f"{path.stat().st_size:>9,}" if path.is_file() else " " * 9
            print(f"{size}  {os.path.relpath(path)}")
    except subprocess.CalledProcessError as error:
        sys.stderr.write(error.output)
        return 1
    except (OSError, SplitError) as error:
        print(f"check_release.py: {error}", file=sys.stderr)
        return 1
    failed = [name for name, said in _problems(folder, words[1] if words[1:] else "") if _tell(name, said)]
    return 1 if failed else 0


def checks_of_files(folder: Path) -> Iterator[Check]:
    """Yield the checks of what is published."""
    wheels, sdists = sorted(map(str, folder.glob("*.whl"))), sorted(map(str, folder.glob("*.tar.gz")))
    yield Check(
        name="distributions, as an index takes them", words=["twine", "check", "--strict", *wheels, *sdists]
    )
    yield Check(name="contents of wheels", words=["check-wheel-contents", *wheels])
    for sdist in sdists:
        yield Check(name=f"metadata of {Path(sdist).name}", words=["pyroma", "--min=10", sdist])
    for file in sorted((folder / "bazel").rglob("*.*")):
        schema = _SCHEMAS / f"{file.stem}.json"
        if schema.is_file():
            words = ["check-jsonschema", "--schemafile", str(schema), str(file)]
            yield Check(name=f"Bazel registry: {file.name}", words=words)


def checks_of_checkout() -> Iterator[Check]:
    """Yield the checks of what others' tools read in the checkout itself."""
    schema = "check-jsonschema"
    yield Check(name="pyproject.toml", words=["validate-pyproject", "pyproject.toml"])
    yield Check(
        name="pyproject.toml of the runtime",
        words=["validate-pyproject", "hermpkg_build/runtime/pyproject.toml"],
    )
    yield Check(name="workflows", words=["actionlint", "-color"])
    yield Check(name="hardening of workflows", words=["zizmor", "--offline", "--quiet", "."])
    yield Check(name="action.yml", words=[schema, "--builtin-schema", "vendor.github-actions", "action.yml"])
    dependabot = ".github/dependabot.yml"
    yield Check(name=dependabot, words=[schema, "--builtin-schema", "vendor.dependabot", dependabot])
    yield Check(name="hooks", words=["pre-commit", "validate-manifest", ".pre-commit-hooks.yaml"])
    yield Check(name="Dockerfile", words=["hadolint", "Dockerfile"])
    yield Check(name="licences", words=["reuse", "lint", "--quiet"])
    yield Check(name="CITATION.cff", words=["cffconvert", "--validate"])


def _problems(folder: Path, tag: str) -> Iterator[tuple[str, str]]:
    """Yield each check's name, and what is wrong there."""
    version = version_of()
    places = [place for place in version_places(CHECKOUT) if place.version != version]
    yield (
        "versions",
        "\n".join(f"{each.file}:{each.line}: {each.version or 'none'}, not {version}" for each in places),
    )
    if tag:
        yield (
            "tag",
            "" if tag == f"v{version}" else f"the tag {tag} is not v{version}, the version of the checkout",
        )
    for check in (*checks_of_files(folder), *checks_of_checkout()):
        program = _TOOLS / check.words[0]
        if not program.exists():
            yield (
                check.name,
                f"{check.words[0]} is not installed beside {sys.executable} -> make release-check",
            )
            continue
        completed = subprocess.run(
            [str(program), *check.words[1:]],
            cwd=CHECKOUT,
            env={**os.environ, "PATH": f"{_TOOLS}{os.pathsep}{os.environ.get('PATH', os.defpath)}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        yield check.name, "" if completed.returncode == 0 else completed.stdout or "failed without a word"


def _tell(name: str, said: str) -> bool:
    print(f"{'FAILED' if said else 'ok':<8} {name}", flush=True)
    if said:
        print(said, file=sys.stderr)
    return bool(said)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
