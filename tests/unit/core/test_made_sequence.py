"""Sequences that make their items are equal to tuples of these, in every way that a tuple is used."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.core.label import Label, LabelsInPackage, labels_in_package

names = st.lists(st.sampled_from("abc"), max_size=5)


@given(names, names)
def test_labels_of_a_package_are_a_tuple_of_labels(one: list[str], other: list[str]) -> None:
    made, plain = LabelsInPackage("p", one), tuple(Label("p", name) for name in one)
    others = tuple(Label("p", name) for name in other)
    assert made == plain
    assert plain == made
    assert (hash(made), repr(made)) == (hash(plain), repr(plain))
    assert (made == others) == (plain == others) == (LabelsInPackage("p", other) == made)
    assert [*made] == [*plain]
    assert [made[at] for at in range(-len(one), len(one))] == [*plain, *plain]
    assert made[1:3] == [*plain[1:3]]
    assert made[::-1] == [*plain[::-1]]
    assert (Label("p", "a") in made, bool(made)) == (Label("p", "a") in plain, bool(plain))


def test_labels_of_several_packages_stay_as_they_are() -> None:
    mixed = (Label("p", "a"), Label("q", "b"))
    foreign = (Label("p", "a", "other"),)
    assert labels_in_package("p", mixed) is mixed
    assert labels_in_package("p", foreign) is foreign
    assert isinstance(labels_in_package("p", mixed[:1]), LabelsInPackage)
