from hermpkg_build.core.texts import aligned, counted, first_of


def test_columns_are_aligned():
    assert list(aligned([("a", "bcd", "e"), ("fgh", "", "")])) == ["a    bcd  e", "fgh"]
    assert list(aligned([])) == []


def test_things_are_counted():
    assert [counted(count, "upload") for count in (0, 1, 2)] == ["0 uploads", "1 upload", "2 uploads"]


def test_long_lists_say_how_many_they_leave_out():
    assert first_of(["a", "b"], 2) == ["a", "b"]
    assert first_of(("a", "b", "c"), 1, "... {:,} more") == ["a", "... 2 more"]
