"""A shared cache in Apache httpd, by its module for WebDAV."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermpkg_build.core.digest import Digest
from hermpkg_build.remote.failures import RemoteError
from hermpkg_build.remote.transport import Blob

KEY = Digest.of(b"an action")
LARGE = bytes(range(256)) * 20_000
DIGEST = Digest.of(LARGE)


def test_what_is_put_comes_back(start_apache, new_transport, content) -> None:
    server = start_apache()
    transport = new_transport(server.url)
    assert transport.get_result(KEY) is None
    assert transport.missing([DIGEST]) == {DIGEST}
    for _ in range(2):
        transport.upload([Blob(digest=DIGEST, data=LARGE)])
        transport.put_result(KEY, b"result")
    assert transport.missing([DIGEST]) == set()
    assert transport.get_result(KEY) == b"result"
    assert transport.download([DIGEST], content) == set()
    assert content.get_bytes(DIGEST) == LARGE
    (server.storage / "cache/cas" / DIGEST.hash).write_bytes(LARGE[:-1] + b"x")
    assert transport.missing([DIGEST]) == set()
    assert new_transport(server.url).download([Digest.of(b"absent")], content) == {Digest.of(b"absent")}


READERS = """
<LimitExcept GET HEAD>
    Require valid-user
</LimitExcept>
<Limit GET HEAD>
    Require all granted
</Limit>
"""


@pytest.mark.parametrize("access", ["Require valid-user", READERS])
def test_strangers_do_not_write(start_apache, new_transport, public_folder: Path, access: str) -> None:
    users = public_folder / "users"
    # SHA-1 of "secret", as its own tool writes it.
    users.write_text("builder:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")
    who = f'AuthType Basic\nAuthName "cache"\nAuthUserFile "{users}"\n'
    server = start_apache(access=who + access)
    new_transport(server.url.replace("//", "//builder:secret@")).put_result(KEY, b"result")
    stranger = new_transport(server.url)
    with pytest.raises(RemoteError) as caught:
        stranger.upload([Blob(digest=DIGEST, data=LARGE)])
    assert caught.value.kind == "denied"
    if access == READERS:
        assert stranger.get_result(KEY) == b"result"
    else:
        with pytest.raises(RemoteError):
            stranger.get_result(KEY)


def test_folders_that_are_not_there_are_told_of(start_apache, new_transport) -> None:
    transport = new_transport(start_apache(folders=()).url)
    with pytest.raises(RemoteError) as caught:
        transport.upload([Blob(digest=DIGEST, data=LARGE)])
    assert caught.value.kind == "protocol"
    assert "409 Conflict" in caught.value.reason
    assert "make folders" in caught.value.next_step
