"""Directory: the file tree of an archive, queried with `has_file`, printed as the command `tree` does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hermpkg_build.core.globs import GlobGroup, GlobPattern
from hermpkg_build.printable import one_line


class Directory:
    """A folder or file of an archive; `children` maps names to folders and files, and is empty for a file.

    >>> print(Directory.of_files("model.pt", ["model/a.txt", "model/data/b.txt"]))
    ─── model.pt
        └── model
            ├── data
            │   └── b.txt
            └── a.txt
    <BLANKLINE>
    """

    def __init__(self, name: str, is_dir: bool) -> None:
        self.name = name
        self.is_dir = is_dir
        self.children: dict[str, Directory] = {}

    @classmethod
    def of_files(
        cls, name: str, files: Iterable[str], *, include: GlobPattern = "**", exclude: GlobPattern = ()
    ) -> Directory:
        """Make the tree of the `files` (paths with ``/``) that match. Raises ValueError for a bad pattern."""
        top = cls(name, True)
        wanted = GlobGroup(include, exclude=exclude, separator="/")
        for file in files:
            if wanted.matches(file):
                top._add(file)
        return top

    def has_file(self, filename: str) -> bool:
        """Tell whether the path `filename`, of a file or a folder, is in this tree."""
        here = self
        for segment in filename.split("/"):
            found = here.children.get(segment)
            if found is None:
                return False
            here = found
        return True

    def __str__(self) -> str:
        return "".join(f"{line}\n" for line in self._lines("─── ", "    "))

    def _add(self, file: str) -> None:
        here = self
        *folders, last = file.split("/")
        for folder in folders:
            here = here.children.setdefault(folder, Directory(folder, True))
        here.children.setdefault(last, Directory(last, False))

    def _lines(self, pointer: str, indent: str) -> Iterator[str]:
        yield pointer + one_line(self.name)
        children = sorted(self.children.values(), key=lambda child: (not child.is_dir, child.name))
        for child in children:
            last = child is children[-1]
            for line in child._lines("└── " if last else "├── ", "    " if last else "│   "):
                yield indent + line
