"""Says where the artifact lies that a command line names by a path that leads nowhere."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing

from hermpkg_build.cli.operands import current_workspace
from hermpkg_build.core.folders import OUTPUT_FOLDER
from hermpkg_build.core.label import Label
from hermpkg_build.core.spelling import did_you_mean
from hermpkg_build.core.target import ModelPackage
from hermpkg_build.errors import HermpkgError
from hermpkg_build.loading.workspace import Workspace, package_at
from hermpkg_build.printable import pasteable

_MOST = 4
_ENDINGS = (".pt", ".zip")


def step_to_artifact(word: str, words: Sequence[str]) -> str:
    """Return the next step where `word`, one of the `words` of a command line, is no file; "" for none.

    It can be the name or the end of the path of an output of the workspace, the label of its target, or a
    misspelt one of these.
    """
    try:
        workspace = current_workspace()
        if word.startswith(("//", ":")):
            return _step_for_label(workspace, word, words)
    except HermpkgError:
        return _step_for_misspelt(word, (), words)
    outputs = [*_files_below(os.path.join(workspace.root, OUTPUT_FOLDER))]
    name = os.path.basename(word)
    tail = os.path.join(os.sep, os.path.normpath(word))
    meant = [path for path in outputs if path.endswith(tail)]
    meant = meant or [path for path in outputs if os.path.basename(path) in (name, f"{name}.pt")]
    if meant:
        return f"the workspace has it there:\n{_command_lines(word, meant, words)}"
    return _step_for_misspelt(word, outputs, words)


def _step_for_label(workspace: Workspace, word: str, words: Sequence[str]) -> str:
    """The artifact of a target. Raises LabelError and LoadingError."""
    from hermpkg_build.disk.source_tree import SourceTree
    from hermpkg_build.loading.loader import Loader

    label = Label.parse(word, package=package_at(workspace, os.getcwd()))
    with closing(Loader(workspace, SourceTree(), on_message=lambda *_: None)) as loader:
        target = loader.build_file(label.package).targets.get(label.name)
    output = target.output if isinstance(target, ModelPackage) else f"{label.name}.pt"
    path = os.path.join(workspace.root, OUTPUT_FOLDER, label.package, output)
    if os.path.isfile(path):
        return f"name the file of its artifact:\n{_command_lines(word, [path], words)}"
    return f"build it, and name the file of its artifact:\n    {pasteable('hermpkg', word)}"


def _files_below(folder: str) -> Iterator[str]:
    for inside, _, names in os.walk(folder):
        yield from (os.path.join(inside, name) for name in names)


def _step_for_misspelt(word: str, outputs: Sequence[str], words: Sequence[str]) -> str:
    """The artifact whose name is most like that of `word`: in the same folder, or among the outputs."""
    folder, name = os.path.split(word)
    try:
        beside = [os.path.join(folder, each) for each in os.listdir(folder or os.curdir)]
    except OSError:
        beside = []
    known = [path for path in (*beside, *outputs) if path.endswith(_ENDINGS)]
    near = did_you_mean(_stem(name), map(_stem, known))
    meant = [path for path in known if near and _stem(path) == near]
    return f"did you mean this?\n{_command_lines(word, meant, words)}" if meant else ""


def _stem(path: str) -> str:
    """The name without its ending, which makes any two short names alike."""
    return os.path.splitext(os.path.basename(path))[0]


def _command_lines(word: str, paths: Sequence[str], words: Sequence[str]) -> str:
    """The command line with each of `paths` in the place of `word`."""
    shown = sorted({os.path.relpath(path) for path in paths})
    lines = [
        pasteable("hermpkg", *(path if each == word else each for each in words)) for path in shown[:_MOST]
    ]
    more = [f"and {len(shown) - _MOST:,} more of that name"] if len(shown) > _MOST else []
    return "\n".join(f"    {line}" for line in (*lines, *more))
