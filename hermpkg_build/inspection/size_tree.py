"""Lays the records of an artifact out as a tree of folders with sizes, the largest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hermpkg_build.core.texts import counted, size_text
from hermpkg_build.dataclass import dataclass, field

_WIDTH = 9


@dataclass(slots=True)
class SizeTree:
    """A folder or a file; `bytes` and `files` count what is in it, however deep."""

    name: str
    bytes: int = 0
    files: int = 0
    children: dict[str, SizeTree] = field(default_factory=dict)

    @classmethod
    def of_records(cls, root: str, records: Iterable[tuple[str, int]]) -> SizeTree:
        """Make the tree of records with their sizes, below a folder `root`."""
        top = cls(root)
        for name, size in records:
            here = top
            here.bytes += size
            here.files += 1
            for segment in name.split("/"):
                here = here.children.setdefault(segment, cls(segment))
                here.bytes += size
                here.files += 1
        return top

    def lines(self, depth: int | None = None) -> Iterator[str]:
        """Give the lines of the tree; below `depth` folders (None: all) a folder is one line with its count.

        >>> for line in SizeTree.of_records("net", [("a/b.py", 10), ("a/c.py", 30), ("d.txt", 5)]).lines(1):
        ...     print(line)
             45 B  net/
             40 B  ├── a/  (2 files)
              5 B  └── d.txt
        """
        stack = [(self, "", "", 0)]
        while stack:
            node, pointer, indent, level = stack.pop()
            is_cut = depth is not None and level >= depth and bool(node.children)
            shown = node.name + ("/" if node.children or not level else "")
            if is_cut:
                shown += f"  ({counted(node.files, 'file')})"
            yield f"{size_text(node.bytes):>{_WIDTH}}  {pointer}{shown}"
            if is_cut:
                continue
            children = sorted(node.children.values(), key=lambda child: (-child.bytes, child.name))
            for child in reversed(children):
                last = child is children[-1]
                below = indent + ("    " if last else "│   ")
                stack.append((child, indent + ("└── " if last else "├── "), below, level + 1))
