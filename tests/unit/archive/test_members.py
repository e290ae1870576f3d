"""Members below a folder, and their sizes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.archive.members import ENTRY, Member, Members

ENTRIES = [bytes(ENTRY.size), Member(0, 0, 0, 0, 5, 1 << 33, 0, 0, 0, b"")]
NAMES = st.lists(st.text("ab/\n.", min_size=1, max_size=6), unique=True)
FOLDERS = st.sampled_from(["", "a/", "b/", "a/b/", "\n/", "."])


@given(NAMES, FOLDERS, st.booleans())
def test_members_below_a_folder_are_those_whose_names_begin_with_it(
    names: list[str], folder: str, all_below: bool
) -> None:
    if all_below:
        names = [folder + name for name in names]
    members = Members({name: ENTRIES[at % 2] for at, name in enumerate(names)})
    expected = {
        name[len(folder) :]: entry for name, entry in members.entries.items() if name.startswith(folder)
    }
    found = members.below(folder).entries
    assert (list(found), list(found.values())) == (list(expected), list(expected.values()))


def test_sizes_of_usual_and_of_large_members() -> None:
    entry = ENTRY.pack(3, 0, 0, 0, 7, 20, 21, 1, 0, 0, 0, 0, 0)
    members = Members({"a": entry, "b": ENTRIES[1]})
    columns = members.columns()
    assert [*zip(members, columns.sizes, strict=True)] == [("a", 21), ("b", 1 << 33)]
