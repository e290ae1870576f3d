"""What a server said serves the builds that name this server, and no others on the same machine."""

from __future__ import annotations

from typing import Any

import pytest

from hermpkg_build.core.digest import Digest
from hermpkg_build.engine.remote.origin import FactsOfOrigin, ResultsOfOrigin
from hermpkg_build.store.action_cache import ActionResult


def ran(result: Any) -> dict[str, int]:
    return {kind: counts.run for kind, counts in result.actions.items() if counts.run}


def test_a_build_without_the_server_finds_out_itself(checkout: Any, server: Any) -> None:
    checkout().build(server)
    reader = checkout()
    assert not ran(reader.build(server))
    reader.write("app/more.py", "")  # another build, of mostly the same sources
    alone = reader.build()
    assert ran(alone).keys() == {"analyse", "assemble"}
    assert ran(alone)["analyse"] == 4


def test_what_this_machine_found_out_itself_serves_builds_with_a_server(checkout: Any, server: Any) -> None:
    machine = checkout()
    machine.build()
    assert not ran(machine.build(server))


class Kept(dict[Any, Any]):
    """Results and facts in memory."""

    def put(self, key: Digest, result: ActionResult) -> None:
        self[key] = result

    def get_many(self, digests: Any, *, version: str) -> dict[Digest, bytes]:
        return {digest: self[digest, version] for digest in digests if (digest, version) in self}

    def put_many(self, facts: Any, *, version: str) -> None:
        self.update({(digest, version): data for digest, data in facts.items()})


@pytest.mark.parametrize("origins", [("a", "b"), ("a", "a")])
def test_origins_are_apart(origins: tuple[str, str]) -> None:
    kept, key = Kept(), Digest.of(b"key")
    result = ActionResult(outputs={}, facts=1)
    first, second = (ResultsOfOrigin(kept, origin) for origin in origins)
    first.put(key, result)
    assert (second.get(key) == result) == (origins[0] == origins[1])
    assert kept.get(key) is None
    facts, others = (FactsOfOrigin(kept, origin) for origin in origins)
    facts.put_many({key: b"facts"}, version="1")
    assert bool(others.get_many([key], version="1")) == (origins[0] == origins[1])
    assert not facts.get_many([key], version="2")
    assert not kept.get_many([key], version="1")
