"""Does what the calls in BUILD and .bzl files say: collects targets, policy rules and errors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final

from hermpkg_build.core.label import Label
from hermpkg_build.core.module_roles import Policy
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.core.target import ATTRIBUTES, BuildFile, RuleTarget
from hermpkg_build.errors import HermpkgError, Location
from hermpkg_build.loading.attribute_values import Path
from hermpkg_build.loading.binding import bind
from hermpkg_build.loading.call_site import Call, CallSite
from hermpkg_build.loading.conflicts import Conflicts
from hermpkg_build.loading.glob import GlobCall, GlobError
from hermpkg_build.loading.rules import BUILD_FUNCTIONS, POLICY_FUNCTIONS, Rule
from hermpkg_build.loading.starlark_source import StarlarkSource
from hermpkg_build.loading.visibility import PRIVATE, PUBLIC, absolute_visibility

_MOST_PRINTED: Final = 256 << 10
"""So many characters are kept of what a file prints, and the .bzl files that it loads."""

_OF_A_WORD: Final = 56
"""Bytes of memory for each text, beside its characters."""


class Host(ABC):
    """What a file is evaluated for. Every file can use the `symbols`, make policy rules, and print.

    `shared_bytes` are those of values that targets have in common, counted for each target: that is how often
    they are written.
    """

    symbols: ClassVar[Sequence[str]]
    package = ""

    def __init__(self, sources: Mapping[str, StarlarkSource]) -> None:
        self.errors: list[HermpkgError] = []
        self.messages: list[tuple[Location, str]] = []
        self.shared_bytes: int = 0
        self._printed = 0
        self._sources = sources

    @abstractmethod
    def call(self, call: Call) -> object:
        """Do what a call says; return a policy rule, strings and lists, or None."""

    def _site(self, call: Call) -> CallSite:
        return CallSite(call, self._sources, self.errors)

    def _policy(self, call: Call) -> PolicyRule:
        """Make a policy rule; where the arguments are wrong, one that matches no module."""
        site = self._site(call)
        values = bind(site, self.package)
        policy = Policy(call.function.name)
        return PolicyRule(policy=policy, location=site.location(), **(values or {"include": ()}))

    def message(self, call: Call, text: str) -> None:
        """Keep what was printed, as much of it as is kept."""
        self.keep([(self._site(call).location(), text)])

    def keep(self, messages: Iterable[tuple[Location, str]]) -> None:
        """Keep messages until they are too many; the last then says that there were more."""
        for location, text in messages:
            if self._printed > _MOST_PRINTED:
                return
            self._printed += len(text) + _OF_A_WORD
            more = self._printed > _MOST_PRINTED
            self.messages.append((location, "what is printed from here on is not shown" if more else text))


class BzlHost(Host):
    """What a .bzl file can do while it is loaded, when there is no package yet."""

    symbols: ClassVar[Sequence[str]] = ("native", "print")

    def call(self, call: Call) -> object:
        """Make a policy rule, and refuse everything else, which needs a package."""
        if call.function.name in POLICY_FUNCTIONS:
            return self._policy(call)
        self._site(call).report(
            f"{call.function.name}() is called while a .bzl file is loaded",
            next_step="move the call into a function, and call that in a BUILD file",
        )
        return []


class BuildHost(Host):
    """Collects what one BUILD file declares, and all that is wrong with it.

    `glob` lists files of the package and raises GlobError.
    """

    shared_bytes: int
    symbols: ClassVar[Sequence[str]] = (*BUILD_FUNCTIONS, "print")

    def __init__(
        self,
        package: str,
        source: StarlarkSource,
        sources: Mapping[str, StarlarkSource],
        glob: Callable[[GlobCall], Sequence[str]],
    ) -> None:
        super().__init__(sources)
        self.package = package
        self.globs: dict[GlobCall, tuple[str, ...]] = {}
        self._path = source.path
        self._glob_files = glob
        self._targets: dict[str, RuleTarget] = {}
        self._conflicts = Conflicts()
        self._exports: dict[str, tuple[str, ...]] = {}
        self._default_visibility: tuple[str, ...] | None = None

    def result(self) -> BuildFile:
        """Return what the file declares."""
        return BuildFile(
            package=self.package,
            path=self._path,
            targets=self._targets,
            exports=self._exports,
            default_visibility=self._default_visibility or (),
            messages=tuple(self.messages),
        )

    def call(self, call: Call) -> object:
        """Add a target, make a policy rule, or do what a function of BUILD files does."""
        name = call.function.name
        if name in POLICY_FUNCTIONS:
            return self._policy(call)
        site = self._site(call)
        values = bind(site, self.package)
        if isinstance(call.function, Rule):
            self._declare(site, call.function, values)
        elif name == "package_name":
            return self.package
        elif name == "glob":
            return self._glob(site, values) if values else []
        elif values and name == "package":
            self._set_defaults(site, values)
        elif values and name == "exports_files":
            self._export(site, values)
        return None

    def _declare(self, site: CallSite, rule: Rule, values: Mapping[str, Any] | None) -> None:
        name = site.call.kwargs.get("name")
        if not isinstance(name, str) or not self._takes_name(site, name, "name") or values is None:
            return
        default = (PRIVATE,) if self._default_visibility is None else self._default_visibility
        if values["visibility"] is None:
            self.shared_bytes += _bytes_of(default)
        self._targets[name] = target = rule.target(
            label=Label(self.package, name),
            visibility=self._visibility(values["visibility"], default),
            tags=values["tags"],
            location=site.location(0),
            **{attribute.name: values[attribute.name] for attribute in ATTRIBUTES[rule.target]},
        )
        self._conflicts.add(target, site)

    def _takes_name(self, site: CallSite, name: str, argument: str, path: Path = ()) -> bool:
        """Take `name`, which a part of an argument gives. Return whether it is free; else report it."""
        first = self._conflicts.take_name(name, site.location(0))
        if first is not None:
            site.report(
                f"the name {name!r} is taken",
                argument=argument,
                path=path,
                facts=[("first", str(first))],
                next_step="give one of the two another name",
            )
        return first is None

    def _visibility(self, given: tuple[str, ...] | None, default: tuple[str, ...]) -> tuple[str, ...]:
        return default if given is None else absolute_visibility(given, self.package)

    def _glob(self, site: CallSite, values: Mapping[str, Any]) -> list[str]:
        call = GlobCall(**values)
        if call in self.globs:
            return list(self.globs[call])
        try:
            found = tuple(self._glob_files(call))
        except GlobError as error:
            path = (call.include.index(error.pattern),) if error.pattern is not None else ()
            what = f"the pattern {error.pattern!r}" if error.pattern is not None else "glob()"
            site.report(
                f"{what} {error.reason}",
                argument="include",
                path=path,
                next_step=error.next_step,
            )
            return []
        for name in found:
            if not name.isprintable() and any(0xD800 <= ord(character) < 0xE000 for character in name):
                shown = name.encode(errors="backslashreplace").decode()
                site.report(
                    f"glob() matches a file whose name is not UTF-8: {shown}",
                    argument="include",
                    next_step="rename the file, or exclude it",
                )
                return []
        self.globs[call] = found
        return list(found)

    def _set_defaults(self, site: CallSite, values: Mapping[str, Any]) -> None:
        if self._default_visibility is not None:
            site.report("package() is called twice", next_step="join the two calls")
        if self._targets or self._exports:
            site.report(
                "package() comes after a target", next_step="move it up, just below the load statements"
            )
        self._default_visibility = self._visibility(values["default_visibility"], (PRIVATE,))

    def _export(self, site: CallSite, values: Mapping[str, Any]) -> None:
        words = self._visibility(values["visibility"], (PUBLIC,))
        self.shared_bytes += _bytes_of(words) * len(values["srcs"])
        for index, name in enumerate(values["srcs"]):
            if name in self._exports or self._takes_name(site, name, "srcs", (index,)):
                self._exports[name] = words


def _bytes_of(words: Sequence[str]) -> int:
    return sum(map(len, words)) + _OF_A_WORD * len(words)
