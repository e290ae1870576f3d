"""The calls that give modules their policies, and the hooks that are told of each."""

from __future__ import annotations

from hermpkg_build.core.globs import GlobPattern
from hermpkg_build.core.module_roles import Policy
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.exporter.hooks import Hooks, ModuleHook, RemovableHandle
from hermpkg_build.exporter.plan import Plan, calling_location


class ModulePolicies:
    """Rules in the order of their calls: the first that matches a module decides.

    A pattern is a dotted name with ``*`` for any part of one segment and ``**`` for any number of
    segments. `include` and `exclude` are one pattern or several; ValueError for a malformed one.
    """

    def __init__(self) -> None:
        self._plan = Plan()
        self._hooks = {policy: Hooks() for policy in (Policy.INTERN, Policy.EXTERN, Policy.MOCK)}
        self._is_open = True

    def intern(self, include: GlobPattern, *, exclude: GlobPattern = (), allow_empty: bool = True) -> None:
        """Pack the modules that match. Without `allow_empty`, at least one must."""
        self._add_rule(Policy.INTERN, include, exclude, allow_empty)

    def extern(
        self,
        include: GlobPattern,
        *,
        exclude: GlobPattern = (),
        allow_empty: bool = True,
        optional: bool = False,
    ) -> None:
        """Leave the modules that match to the environment that loads the package.

        Where they are `optional`, the package opens without them, too, and does not tell of their versions.
        """
        self._add_rule(Policy.EXTERN, include, exclude, allow_empty, optional=optional)

    def mock(self, include: GlobPattern, *, exclude: GlobPattern = (), allow_empty: bool = True) -> None:
        """Pack a stand-in for the modules that match, whose objects fail when they are used."""
        self._add_rule(Policy.MOCK, include, exclude, allow_empty)

    def deny(self, include: GlobPattern, *, exclude: GlobPattern = ()) -> None:
        """Fail where something needs a module that matches."""
        self._add_rule(Policy.DENY, include, exclude, True)

    def register_intern_hook(self, hook: ModuleHook) -> RemovableHandle:
        """Have ``hook(exporter, module_name)`` called, once, for each interned module at the end."""
        return self._hooks[Policy.INTERN].register(hook)

    def register_extern_hook(self, hook: ModuleHook) -> RemovableHandle:
        """Have ``hook(exporter, module_name)`` called, once, for each extern module at the end."""
        return self._hooks[Policy.EXTERN].register(hook)

    def register_mock_hook(self, hook: ModuleHook) -> RemovableHandle:
        """Have ``hook(exporter, module_name)`` called, once, for each mocked module at the end."""
        return self._hooks[Policy.MOCK].register(hook)

    def _add_rule(
        self,
        policy: Policy,
        include: GlobPattern,
        exclude: GlobPattern,
        allow_empty: bool,
        *,
        optional: bool = False,
    ) -> None:
        self._check_open()
        self._plan.add_rule(
            PolicyRule(
                policy=policy,
                include=(include,) if isinstance(include, str) else tuple(include),
                exclude=(exclude,) if isinstance(exclude, str) else tuple(exclude),
                allow_empty=allow_empty,
                optional=optional,
                location=calling_location(),
            )
        )

    def _check_open(self) -> None:
        if not self._is_open:
            raise ValueError("the exporter is closed: its package is written, or was dropped after an error")
