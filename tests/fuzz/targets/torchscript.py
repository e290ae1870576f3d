"""TorchScript, in artifacts and in files of its own, by every command that reads them.

A law beyond those of all readers: none of torch's own readers, which are native code without bounds, is
asked to read a mutant.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

import torch
from laws import controls_in
from mutation.archives import mutant
from target import Attempt, Target

from hermpkg_build import PackageExporter
from hermpkg_build.cli.main import main
from hermpkg_build.errors import ExitCode

_ALLOWED = {
    "scan": {ExitCode.SUCCESS, ExitCode.TESTS_FAILED},
    "inspect": {ExitCode.SUCCESS, ExitCode.BUILD_FAILED},
    "look": {ExitCode.SUCCESS, ExitCode.BUILD_FAILED},
    "tensors": {ExitCode.SUCCESS, ExitCode.BUILD_FAILED},
    "diff": {ExitCode.SUCCESS, ExitCode.BUILD_FAILED, ExitCode.TESTS_FAILED},
    "verify": {ExitCode.SUCCESS, ExitCode.TESTS_FAILED},
    "trust": {ExitCode.SUCCESS, ExitCode.BUILD_FAILED, ExitCode.TESTS_FAILED},
    "sbom": {ExitCode.SUCCESS, ExitCode.BUILD_FAILED, ExitCode.TESTS_FAILED},
    "why": {ExitCode.SUCCESS, ExitCode.BUILD_FAILED, ExitCode.QUERY_FAILED},
}
_NATIVE = (
    "torch._C.PyTorchFileReader",
    "torch._C.import_ir_module",
    "torch._C.import_ir_module_from_buffer",
    "torch._C._import_ir_module_from_package",
    "torch.jit.load",
    "torch.load",
)


class _Gate(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if bool(x.sum() > 0):
            return x * 2.5
        return torch.relu(x)


class _Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate = _Gate()
        self.linear = torch.nn.Linear(3, 2)
        self.words = {"a": 1, "ä": 2}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.gate(self.linear(x)) + self.words["a"]


def seeds(_: Path) -> Mapping[str, bytes]:
    """Return a file of torch.jit.save, and an artifact with the same module."""
    torch.manual_seed(0)
    scripted = torch.jit.script(_Net())
    plain, packed = io.BytesIO(), io.BytesIO()
    torch.jit.save(scripted, plain)
    with PackageExporter(packed) as exporter:
        exporter.extern("**")
        exporter.save_pickle("model", "model.pkl", {"net": scripted, "w": torch.ones(2)})
    return {"plain.pt": plain.getvalue(), "packed.pt": packed.getvalue()}


def broken_laws(data: bytes, attempt: Attempt) -> Iterator[str]:
    """Tell which laws the commands break that read `data`; each is read by two of them, in turn."""
    path, seed = str(attempt.folder / "mutant.pt"), str(attempt.seed)
    Path(path).unlink(missing_ok=True)
    Path(path).write_bytes(data)
    others = (
        ["inspect", path],
        ["inspect", "--tree", "--json", path],
        ["look", "--no-open", "-o", str(attempt.folder / "page.html"), path],
        ["tensors", "--all", path],
        ["tensors", path, "--partial", "--to", str(attempt.folder / "out.safetensors")],
        ["diff", seed, path],
        ["diff", "--json", path, seed],
        ["verify", "--file-only", path],
        ["trust", path],
        ["sbom", path],
        ["why", path, "torch"],
    )
    for words in (["scan", path], others[attempt.number // 2 % len(others)]):
        with _no_native_reader():
            code, shown = _run(words)
        if code not in _ALLOWED[words[0]]:
            yield f"{words[0]} ended with {code}: {shown[-1500:]}"
        if bad := controls_in(shown):
            yield f"{words[0]} printed {bad}"


@contextlib.contextmanager
def _no_native_reader() -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for name in _NATIVE:
            stack.enter_context(mock.patch(name, _refuse, create=True))
        yield


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise AssertionError("torch's own reader was asked to read a mutant")


def _run(words: list[str]) -> tuple[int, str]:
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        code = main(words)
    return code, output.getvalue()


TARGET = Target(seeds=seeds, mutant=mutant, broken_laws=broken_laws)
