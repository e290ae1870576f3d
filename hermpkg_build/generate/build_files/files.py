"""BUILD files on the disk: read as text, written whole, never over what somebody else wrote meanwhile."""

from __future__ import annotations

import os

from hermpkg_build.dataclass import dataclass
from hermpkg_build.disk.files import read_limited
from hermpkg_build.disk.replacing import replace_file
from hermpkg_build.errors import LoadingError, LocalEnvironmentError, Location
from hermpkg_build.generate.build_files.build_text import BuildText

_MARK = "\ufeff"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOnDisk:
    """A BUILD file as it was read. Text that is written has its byte order mark and its ends of lines.

    `path` is relative to the workspace at `root`; `data` is None where there is no file.
    """

    root: str
    path: str
    data: bytes | None

    @classmethod
    def read(cls, root: str, path: str) -> FileOnDisk:
        """Read the file at a workspace path. Raises LocalEnvironmentError."""
        try:
            return cls(root=root, path=path, data=read_limited(os.path.join(root, path)))
        except FileNotFoundError:
            return cls(root=root, path=path, data=None)
        except OSError as error:
            raise LocalEnvironmentError(f"cannot read {path}: {error.strerror}") from error

    def text(self) -> BuildText:
        """The file as text that can be edited. Raises LoadingError."""
        try:
            text = (self.data or b"").decode()
        except UnicodeDecodeError:
            raise LoadingError("the file is not UTF-8 text", location=Location(self.path)) from None
        plain = BuildText(self.path, text.removeprefix(_MARK).replace("\r\n", "\n"))
        if "\r" in plain.text or self.encoded(plain.text) != (self.data or b""):
            raise LoadingError(
                "the lines of the file end in several ways, so that it cannot be edited here",
                location=Location(self.path),
                next_step="save it with one kind of line ends",
            )
        return plain

    def write(self, text: str) -> None:
        """Replace the file at once. Raises LocalEnvironmentError, also where it has changed meanwhile."""
        path = os.path.realpath(os.path.join(self.root, self.path))
        self.check()
        try:
            mode = os.stat(path).st_mode & 0o7777 if self.data is not None else None
            replace_file(path, self.encoded(text), mode=mode)
        except OSError as error:
            raise LocalEnvironmentError(f"cannot write {self.path}: {error.strerror}") from error

    def check(self) -> None:
        """Raise LocalEnvironmentError where the file has changed since it was read."""
        if FileOnDisk.read(self.root, self.path).data != self.data:
            raise LocalEnvironmentError(
                f"{self.path} changed while it was being mended, and is left as it is now",
                next_step="run the command again",
            )

    def encoded(self, text: str) -> bytes:
        """The bytes of a text as this file would hold it."""
        data = self.data or b""
        mark = _MARK if data.startswith(_MARK.encode()) else ""
        lines = text.replace("\n", "\r\n") if b"\r\n" in data else text
        return f"{mark}{lines}".encode()
