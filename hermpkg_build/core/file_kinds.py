"""The kinds of files that commands write for people, told by their names and their first and last bytes."""

from __future__ import annotations

from hermpkg_build.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FileKind:
    """A kind of file: `name` is what messages call it.

    A file is of it that begins with one of `starts` after `start_at` bytes, has one of `marks`, and whose
    name ends in one of `suffixes`, "" for a name without one; what is empty asks for nothing. A kind that
    `is_text` has no zero bytes.

    >>> JUNIT.is_that_of(b"<?xml?><testsuites/>", "x"), JUNIT.is_that_of(b"<?xml?><svg/>", "x")
    (True, False)
    """

    name: str
    starts: tuple[bytes, ...] = ()
    start_at: int = 0
    marks: tuple[bytes, ...] = ()
    suffixes: tuple[str, ...] = ()
    is_text: bool = True

    def is_that_of(self, ends: bytes, path: str) -> bool:
        """Tell whether the file at `path` is of this kind; `ends` are its first and last bytes."""
        name = path.rpartition("/")[2].lower()
        suffix = name[name.rindex(".") :] if "." in name else ""
        return (
            (not self.starts or ends.startswith(self.starts, self.start_at))
            and (not self.marks or any(mark in ends for mark in self.marks))
            and (not self.suffixes or suffix in self.suffixes)
            and not (self.is_text and b"\0" in ends)
        )


ARTIFACT = FileKind(
    name="an artifact",
    # What torch.save writes is a ZIP archive too, but has no such record.
    starts=(b"PK",),
    marks=(b"/.data/extern_modules",),
    is_text=False,
)
TENSORS = FileKind(
    name="a safetensors file",
    starts=(b'{"', b"{}"),
    start_at=8,
    # One without tensors begins with the size of an empty header.
    marks=(b'"data_offsets"', b"\0{}"),
    is_text=False,
)
PAGE = FileKind(
    name="a page that `hermpkg look` wrote",
    starts=(b"<!DOCTYPE html>",),
    marks=(b"<title>hermpkg look</title>",),
)
PROFILE = FileKind(
    name="a profile that hermpkg wrote",
    starts=(b'[\n{"name": "process_name", "ph": "M", "args": {"name": "hermpkg"}',),
)
EVENTS = FileKind(name="a file of events that hermpkg wrote", starts=(b'{"event": "',))
JUNIT = FileKind(name="JUnit XML", starts=(b"<?xml", b"<testsuite"), marks=(b"<testsuite",))
SARIF = FileKind(name="a SARIF log", starts=(b"{",), marks=(b'"$schema": "',))
SUMMARY = FileKind(name="a Markdown text", suffixes=("", ".md", ".markdown", ".txt"))
BILL = FileKind(name="a bill of materials", starts=(b"{",), marks=(b'"bomFormat"', b"https://spdx.org/rdf/"))
_BUNDLE = b"application/vnd.dev.sigstore.bundle"
SIGNATURE = FileKind(name="a signature", starts=(b"{",), marks=(_BUNDLE,))
STATEMENT = FileKind(
    name="a statement of provenance", starts=(b"{",), marks=(_BUNDLE, b"https://in-toto.io/Statement/")
)
ENVIRONMENT_LOCK = FileKind(
    name="a lock of an environment",
    marks=(b'lock-version = "', b"--hash=sha256:", b"# made by hermpkg env"),
    suffixes=(".toml", ".txt"),
)
