"""An example is built in two checkouts that share a server over gRPC: the second runs nothing."""

from __future__ import annotations

import threading
from typing import Any


def test_the_second_checkout_runs_nothing(start_casd: Any, checkout: Any) -> None:
    casd = start_casd("2.8.1")
    first, second, alone = (checkout(name, example="setuptools") for name in ("first", "second", "alone"))

    ran, told = first.build("--remote-cache", casd.url)
    assert ran > 0
    assert "warning" not in told
    casd.kill()
    casd.start()

    assert second.build("--remote-cache", casd.url) == (0, "")
    assert second.artifacts == first.artifacts
    # A server that is away costs one warning, and gives the same bytes.
    casd.kill()
    ran_alone, told = alone.build("--remote-cache", casd.url)
    assert ran_alone == ran
    assert told.count("the build goes on without the shared cache") == 1
    assert "Traceback" not in told
    assert alone.artifacts == first.artifacts


def test_a_server_that_dies_in_the_middle_costs_a_warning_at_most(start_casd: Any, checkout: Any) -> None:
    casd = start_casd("2.8.1")
    first, second = checkout("first"), checkout("second")
    killer = threading.Thread(target=lambda: (_wait_for_blobs(casd), casd.kill()))
    killer.start()

    ran, told = first.build("--remote-cache", casd.url)
    killer.join()
    casd.start()

    assert ran > 0
    assert told.count("warning") <= 1
    assert "Traceback" not in told
    # What arrived is right or not there, and the rest is built and shared now.
    second.build("--remote-cache", casd.url)
    assert second.artifacts == first.artifacts


def _wait_for_blobs(casd: Any) -> None:
    """Until the first uploads have arrived; a build that ends before has none to lose."""
    waiting = threading.Event()
    for _ in range(6000):
        if casd.blobs():
            return
        waiting.wait(0.02)
