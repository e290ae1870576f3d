"""An example is built in two checkouts that share nginx: the second runs nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest


@pytest.fixture
def checkout(checkout):
    """Makes a checkout of the example that builds soonest, of which the server is told by its settings."""
    return lambda name, settings: checkout(name, settings, example="setuptools")


def test_the_second_checkout_runs_nothing(
    start_nginx, checkout, certificates, tmp_path: Path, new_certificates
) -> None:
    server = start_nginx(
        tls=True,
        server=certificates.served,
        location='if ($http_authorization != "Bearer s3cret") { return 401; }',
    )
    helper = tmp_path / "helper"
    answer = json.dumps({"headers": {"Authorization": ["Bearer s3cret"]}})
    helper.write_text(f"#!/bin/sh\necho '{answer}'\n")
    helper.chmod(0o755)
    settings = f'remote-cache = "{server.url}"\nremote-ca = "{certificates.ca}"\n'
    helped = f'{settings}credential-helper = "{helper}"\n'

    first = checkout("first", helped)
    ran, told = first.build()
    assert ran > 0
    assert "warning" not in told
    # The first waits for its uploads.
    kept = len(os.listdir(server.storage / "cache/cas"))
    second = checkout("second", helped)
    again, told = second.build()
    assert again == 0
    assert told == f"work is shared with {server.url}, as the settings of this workspace say\n"
    assert second.artifacts == first.artifacts
    assert len(os.listdir(server.storage / "cache/cas")) == kept

    # A server whose certificate is not trusted costs a warning, and gives the same bytes.
    wary = checkout("wary", helped.replace(certificates.ca, new_certificates("IP:127.0.0.1").ca))
    ran_alone, told = wary.build()
    assert ran_alone == ran
    assert told.count("certificate is not trusted") == 1
    assert "s3cret" not in told
    assert wary.artifacts == first.artifacts


def test_damage_on_the_server_is_built_again(start_nginx, checkout) -> None:
    server = start_nginx()
    settings = f'remote-cache = "{server.url}"\n'
    first = checkout("first", settings)
    first.build()
    for kind in ("ac", "cas"):
        for file in (server.storage / "cache" / kind).iterdir():
            data = file.read_bytes()
            file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]) if data else b"x")
    second = checkout("second", settings)
    ran, told = second.build()
    assert ran > 0
    assert "Traceback" not in told
    assert second.artifacts == first.artifacts
