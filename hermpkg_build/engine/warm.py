"""Decides whether a build has factories forked from processes that have imported their libraries."""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from hermpkg_build.core.target import Model
from hermpkg_build.engine.early_workers import forget_socket, keep_socket
from hermpkg_build.loading.preferences import warm_process

if TYPE_CHECKING:
    from hermpkg_build.engine.context import TargetContext
    from hermpkg_build.engine.notes import NoteBook
    from hermpkg_build.factories.request import ModelRequest
    from hermpkg_build.factories.warm_client import WarmProcesses

_IDLE_S = 300.0
_NO = ("", "0", "false", "no")


def warm_processes(context: TargetContext, notes: NoteBook, stack: ExitStack) -> WarmProcesses | None:
    """Return the warm processes of a build, which `stack` closes; None where it is to have none.

    Where they are not kept, as in continuous integration, they are worth while from two models on. Raises
    CommandLineError and WorkspaceError for settings that cannot be read.
    """
    models = sum(isinstance(target, Model) for target in context.targets.values())
    if not models:
        return None
    chosen = warm_process(context.workspace).value
    kept = chosen == "always" or (chosen == "auto" and os.environ.get("CI", "").lower() in _NO)
    if chosen == "never":
        forget_socket(context.workspace.root)
        return None
    if not kept and models < 2:
        return None
    from hermpkg_build.factories.warm_client import WarmProcesses, WarmSettings

    def roots_of(request: ModelRequest) -> tuple[str, ...]:
        known = notes.roots_of(request.label)
        if known is not None:
            return known
        from hermpkg_build.factories.import_order import guess_roots

        return guess_roots(request.factory.partition(":")[0], request.modules)

    warm = WarmProcesses(
        WarmSettings(
            idle_s=_IDLE_S,
            with_build=not kept,
            roots_of=roots_of,
            keep_roots=lambda request, roots: notes.keep_roots(request.label, roots),
            keep_socket=partial(keep_socket, context.workspace.root),
        )
    )
    stack.callback(warm.close)
    return warm
