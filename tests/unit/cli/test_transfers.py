"""What people see while an artifact is pushed or pulled."""

from __future__ import annotations

from hermpkg_build.cli.transfers import transfer_text
from hermpkg_build.core.digest import Digest
from hermpkg_build.registry.progress import Progress


def layer(name: str, size: int) -> Digest:
    return Digest(name * 64, size)


def test_what_has_arrived_and_what_is_left() -> None:
    progress = Progress()
    assert transfer_text(progress.travelled(), 1.5) == "1 s"
    progress.planned([layer("a", 3_000_000), layer("b", 1_000_000)])
    progress.reached(layer("b", 1_000_000), 1_000_000)
    progress.reached(layer("c", 5), 5)  # the recipe, which nobody waits for
    assert transfer_text(progress.travelled(), 2.0) == (
        "1 of 2 layers, 1.0 MB of 4.0 MB  2 s  about 6 s left"
    )
    # A layer that has to begin anew takes back what it told.
    progress.reached(layer("b", 1_000_000), 0)
    assert "0 of 2 layers" in transfer_text(progress.travelled(), 9.0)


def test_a_file_of_one_piece() -> None:
    progress = Progress()
    progress.planned([Digest("", 2_000_000)])
    progress.reached(Digest("", 2_000_000), 1_000_000)
    assert transfer_text(progress.travelled(), 1.0) == "1.0 MB of 2.0 MB  1 s"
