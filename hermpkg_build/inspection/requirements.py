"""Lists what must be installed where an artifact lands, also as the text of a requirements.txt."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence

from hermpkg_build.core.distribution_names import LONGEST_SPECIFIER, normalised
from hermpkg_build.core.manifest import Manifest
from hermpkg_build.core.module_names import top_of
from hermpkg_build.core.module_roles import Policy
from hermpkg_build.dataclass import dataclass
from hermpkg_build.inspection.groups import Belongings, GroupKind

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """A distribution, or else a top-level module (`is_module`), that an artifact expects where it lands.

    `specifier` says which versions may be there (PEP 440): those that the artifact `requires`, else the
    `version` that it was built against; "" where neither is known. `modules` are the extern modules. It is
    `optional` where only imports lead to it that may fail, and `absent` where it was not there either when
    the artifact was built, or a rule says that the code can do without.
    """

    name: str
    is_module: bool
    specifier: str
    version: str
    optional: bool
    absent: bool
    modules: tuple[str, ...]


def needed_by(manifest: Manifest | None, belongings: Belongings) -> tuple[Needed, ...]:
    """List what the artifact needs where it lands, except Python's standard library, sorted by name."""
    modules: dict[tuple[str, GroupKind], list[str]] = {}
    externs = {
        name: key
        for name, policy in belongings.modules.items()
        if policy is Policy.EXTERN and (key := belongings.of_module(name)).kind is not GroupKind.STDLIB
    }
    there = {top_of(name) for name, key in externs.items() if key.kind is not GroupKind.ABSENT}
    for name, key in externs.items():
        # A module can be absent from a package that is there.
        own = name if key.kind is GroupKind.ABSENT and top_of(name) in there else top_of(name)
        modules.setdefault((key.name or own, key.kind), []).append(name)
    versions = manifest.distributions if manifest is not None else {}
    requires = manifest.required_versions() if manifest is not None else {}
    stated = manifest.modules if manifest is not None else {}
    found = []
    for (owner, kind), names in sorted(modules.items()):
        is_module = kind is not GroupKind.DISTRIBUTION
        version = "" if is_module else versions.get(owner, "")
        public = version.partition("+")[0]  # what stands behind it names a build that no index may have
        found.append(
            Needed(
                name=owner,
                is_module=is_module,
                specifier="" if is_module else requires.get(owner) or (f"=={public}" if public else ""),
                version=version,
                optional=all(name in stated and stated[name].optional for name in names),
                absent=kind is GroupKind.ABSENT,
                modules=tuple(sorted(names)),
            )
        )
    return tuple(found)


def unclaimed(needed: Sequence[Needed]) -> list[Needed]:
    """Pick the modules that must be there, or may, and of which nothing says what installs them."""
    return [each for each in needed if each.is_module and not each.absent]


def requirements_lines(
    needed: Sequence[Needed],
    *,
    artifact: str,
    python_version: str,
    owners: Mapping[str, Sequence[str]] | None = None,
) -> Iterator[str]:
    """Give the lines of a requirements.txt; what is optional, and what no line can say, stands in comments.

    Names and versions come from the artifact: nothing becomes a requirement that is not well formed. `owners`
    are the distributions that install top-level modules here. They count where the artifact does not say what
    installs a module, as those of torch.package do not, and one alone does here.
    """
    yield f"# what {artifact} expects where it is loaded" + (
        f", by Python {python_version}" if python_version else ""
    )
    for each in needed:
        if not each.is_module and not each.optional:
            yield _line(each)
    optional = [each for each in needed if not each.is_module and each.optional]
    if optional:
        yield "# used where they are installed:"
        yield from (_commented(_line(each)) for each in optional)
    modules = unclaimed(needed)
    if modules:
        yield "# modules of which the artifact does not say what installs them:"
        for each in modules:
            yield _line_of_module(each, (owners or {}).get(top_of(each.name), ()))
    absent = [each.name for each in needed if each.absent]
    if absent:
        yield "# modules that it does without, and that are used where they are:"
        yield from textwrap.wrap(", ".join(absent), 100, initial_indent="# ", subsequent_indent="# ")


def requirement_of(needed: Needed) -> str:
    """Return the requirement of a distribution, "" where its name or versions are not well formed."""
    is_sound = _NAME.fullmatch(needed.name) and _is_specifier(needed.specifier)
    return f"{needed.name}{needed.specifier}" if is_sound else ""


def _line(needed: Needed) -> str:
    if not _NAME.fullmatch(needed.name) or not _is_specifier(needed.specifier):
        return f"# neither a name nor a version that can be installed: {needed.name!r} {needed.specifier!r}"
    text = f"{needed.name}{needed.specifier}"
    if needed.version and needed.specifier != f"=={needed.version}":
        text += f"  # built against {needed.version}"
    return text


def _line_of_module(needed: Needed, owners: Sequence[str]) -> str:
    names = sorted({normalised(owner) for owner in owners})
    if len(names) == 1 and _NAME.fullmatch(names[0]):
        line = f"{names[0]}  # installs the module {needed.name} here, in whatever version is needed"
        return _commented(line) if needed.optional else line
    return f"# {needed.name}" + ("  (used where it is installed)" if needed.optional else "")


def _commented(line: str) -> str:
    return line if line.startswith("#") else f"# {line}"


def _is_specifier(text: str) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    if len(text) > LONGEST_SPECIFIER:
        return False
    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        return False
    return True
