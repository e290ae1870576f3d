"""Proposes the function that makes the model, ready to paste, where a command was given none."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from hermpkg_build.errors import CommandLineError
from hermpkg_build.generate.project.candidates import Candidate, candidates
from hermpkg_build.generate.project.sources import ProjectSources
from hermpkg_build.loading.layout import find_layout, project_root
from hermpkg_build.loading.workspace import project_document
from hermpkg_build.printable import pasteable

_MOST = 8


def nothing_named(command: str, given: str, options: Sequence[str]) -> CommandLineError:
    """Make the error where ``hermpkg COMMAND`` was given a file or a module, and no function of it.

    The project is that of the current folder; `options` are words that the command needs besides.
    """
    root = project_root(os.getcwd())
    roots = find_layout(project_document(root), root).source_roots
    return proposal(command, ProjectSources(root), roots, given, options)


def proposal(
    command: str,
    sources: ProjectSources,
    source_roots: tuple[str, ...],
    given: str = "",
    options: Sequence[str] = (),
) -> CommandLineError:
    """Make the error with the functions of a project, or of what was `given`, that may make the model."""
    given = "" if os.path.isdir(given) else given
    if given and not given.endswith(".py") and os.path.isfile(given):
        return _no_python(command, given, options)
    path = os.path.relpath(given or ".", sources.root).replace(os.sep, "/")
    found = [
        each
        for each in candidates(sources, source_roots)
        if not given or each.file == path or each.factory.partition(":")[0] == given
    ]
    needs = f"hermpkg {command} needs the function that makes the model"
    by_itself = ""
    if given.endswith(".py"):
        by_itself = (
            "\nor, where the script makes it as it runs, write at its end:"
            '\n    hermpkg_build.pack(model, "model.pt")'
        )
    if not given and not found and sources.notebooks:
        return CommandLineError(
            f"{needs}, and that is in a notebook",
            facts=[("notebook", name) for name in sources.notebooks[:_MOST]],
            next_step="pack it in a cell, after it is made or trained:\n    import hermpkg_build"
            '\n    hermpkg_build.pack(model, "model.pt")',
        )
    if not found:
        command = pasteable("hermpkg", command, f"{given or 'MODULE'}:FUNCTION", *options)
        return CommandLineError(
            f"{needs}, and finds none that seems to",
            facts=[("searched", given or sources.root)],
            next_step="write one that takes no arguments and returns the model, and name it:"
            f"\n    {command}{by_itself}",
        )
    first, arguments = _named(found[0], given), "".join(f" --arg {name}=..." for name in found[0].needed)
    return CommandLineError(
        needs,
        facts=[
            (_named(each, given), f"{each.reason} ({each.file}:{each.line}){_needs(each.needed)}")
            for each in found[:_MOST]
        ],
        next_step=f"name it:\n    {pasteable('hermpkg', command, first, *options)}{arguments}{by_itself}",
    )


def _no_python(command: str, given: str, options: Sequence[str]) -> CommandLineError:
    """Make the error where a pickle or a file of weights was given."""
    whole = ""
    if not given.endswith(".safetensors"):
        whole = (
            "\nwhere it has the whole model, write a file load.py:"
            "\n    import torch"
            "\n    def load():"
            f"\n        return torch.load({json.dumps(given)}, weights_only=False)"
            f"\nand name that:\n    {pasteable('hermpkg', command, 'load.py:load', *options)}"
        )
    return CommandLineError(
        f"hermpkg {command} needs the function that makes the model, and {given} is no Python",
        next_step="where it has the weights, name the function that makes the model for them:"
        f"\n    {pasteable('hermpkg', command, 'MODULE:FUNCTION', '--weights', given, *options)}{whole}",
    )


def _named(candidate: Candidate, given: str) -> str:
    """A candidate by the script that was given, else by its module."""
    module, _, function = candidate.factory.partition(":")
    return f"{given if given.endswith('.py') else module}:{function}"


def _needs(names: Sequence[str]) -> str:
    return f", given {', '.join(names)}" if names else ""
