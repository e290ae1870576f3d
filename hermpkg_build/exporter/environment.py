"""The environment that an export records: what is installed of all that its package needs."""

from __future__ import annotations

from collections.abc import Iterable

from hermpkg_build.environment.closure import environment_of
from hermpkg_build.environment.extern_roots import extern_roots
from hermpkg_build.environment.locked import LockedEnvironment
from hermpkg_build.exporter.export_analysis import ExportAnalysis


def installed_environment(analysis: ExportAnalysis, requires: Iterable[str]) -> LockedEnvironment:
    """Return the environment of a package, by versions, and by hashes where installers note them."""
    roots = extern_roots(analysis.graph, requires)
    return environment_of(roots, analysis.modules.installed.distributions, None).environment
