"""Parsing and printing of labels are inverses."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.core.label import Label, TargetPattern
from hermpkg_build.errors import LabelError

_SEGMENT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=":/\\"), min_size=1, max_size=8
).filter(lambda text: text not in (".", "..") and not text.startswith("@"))
_PATH = st.lists(_SEGMENT, min_size=1, max_size=4).map("/".join)
_REPOSITORY = st.one_of(st.just(""), st.from_regex(r"[A-Za-z][A-Za-z0-9._~+-]{0,8}", fullmatch=True))
_LABEL = st.builds(Label, package=st.one_of(st.just(""), _PATH), name=_PATH, repository=_REPOSITORY)


@given(_LABEL)
def test_parse_is_the_inverse_of_print(label: Label) -> None:
    assert Label.parse(str(label)) == label


@given(_LABEL)
def test_the_relative_spelling_is_the_same_label(label: Label) -> None:
    assert Label.parse(f":{label.name}", package=label.package) == Label(label.package, label.name)


@given(st.text(max_size=30))
def test_any_text_parses_to_what_prints_as_itself_or_is_refused(text: str) -> None:
    with contextlib.suppress(LabelError):
        label = Label.parse(text, package="p/q")
        assert Label.parse(str(label)) == label


@given(_LABEL)
def test_a_label_is_a_pattern_for_itself(label: Label) -> None:
    if label.name in ("all", "*", "all-targets") or label.package.split("/")[-1] == "...":
        return
    pattern = TargetPattern.parse(str(label), package="elsewhere")
    assert (pattern.package, pattern.target, pattern.repository) == (
        label.package,
        label.name,
        label.repository,
    )
