"""Finds targets of one BUILD file that exclude each other: by a name, an output, or a module of both."""

from __future__ import annotations

from hermpkg_build.core.label import LabelsInPackage
from hermpkg_build.core.module_names import parents_of, record_of_module
from hermpkg_build.core.target import ModelPackage, PythonModules, RuleTarget
from hermpkg_build.errors import Location
from hermpkg_build.loading.call_site import CallSite


class _Places:
    """Paths that are taken, and by whom. Nothing else can take a path or its folders."""

    def __init__(self) -> None:
        self._files: dict[str, str] = {}
        self._folders: dict[str, str] = {}

    def take(self, path: str, owner: str) -> str | None:
        """Take a path. Return the owner of what is in the way, if anything is."""
        folders = [path[:i] for i, character in enumerate(path) if character == "/"]
        in_way = self._files.get(path) or self._folders.get(path)
        in_way = in_way or next((self._files[folder] for folder in folders if folder in self._files), None)
        if in_way is None:
            self._files[path] = owner
            self._folders.update((folder, owner) for folder in folders)
        return in_way


class Conflicts:
    """The names, outputs and modules that the targets of one file have taken so far."""

    def __init__(self) -> None:
        self._names: dict[str, Location] = {}
        self._outputs = _Places()
        self._owners: dict[str, PythonModules] = {}

    def take_name(self, name: str, location: Location) -> Location | None:
        """Take a target's name. Return the place of the target that has it already, if one does."""
        first = self._names.setdefault(name, location)
        return None if first is location else first

    def add(self, target: RuleTarget, site: CallSite) -> None:
        """Take the outputs and modules of a target, and report what is taken already."""
        if isinstance(target, ModelPackage):
            self._add_output(target, site)
            _report_records(target, site)
        elif isinstance(target, PythonModules):
            self._add_modules(target, site)

    def _add_output(self, target: ModelPackage, site: CallSite) -> None:
        owner = self._outputs.take(target.output, f"{target.label} at {target.location}")
        if owner is not None:
            site.report(
                f"the output {target.output!r} of {target.label} collides with the output of another target",
                argument="out",
                facts=[("other", owner)],
                next_step="give one of the two another out",
            )

    def _add_modules(self, target: PythonModules, site: CallSite) -> None:
        srcs, own = target.srcs, target.label.package
        if (
            isinstance(srcs, LabelsInPackage)
            and srcs.package == own
            and self._owners.keys().isdisjoint(srcs.names)
        ):
            self._owners.update(dict.fromkeys(srcs.names, target))
            return
        for index, label in enumerate(srcs):
            if label.package != own:
                site.report(
                    f"{str(label)!r} is a file of another package",
                    argument="srcs",
                    path=(index,),
                    next_step=f"declare its python_modules in //{label.package}, and name that in deps",
                )
            elif (owner := self._owners.setdefault(label.name, target)) is not target:
                site.report(
                    f"the module {str(label)!r} is in two python_modules targets",
                    argument="srcs",
                    path=(index,),
                    facts=[("first", f"{owner.label} at {owner.location}")],
                    next_step="leave it to one of the two, and name that in deps of the other",
                )


def _report_records(target: ModelPackage, site: CallSite) -> None:
    """Report attributes of a model_package that put different things at one place of the artifact."""
    places = _Places()
    for attribute in ("models", "resources", "sources"):
        for key in getattr(target, attribute):
            record = record_of_module(key, False) if attribute == "sources" else key
            other = places.take(record, f"{attribute} {key!r}")
            if other is not None:
                site.report(
                    f"{attribute} {key!r} is at the same place of the artifact as {other}",
                    argument=attribute,
                    path=(key,),
                    facts=[("place", record)],
                )
    for key in target.sources:
        for parent in (parent for parent in reversed([*parents_of(key)]) if parent in target.sources):
            site.report(
                f"sources {key!r} is below sources {parent!r}, which is a module, not a package",
                argument="sources",
                path=(key,),
                next_step=f"name the package itself {parent + '.__init__'!r}",
            )
