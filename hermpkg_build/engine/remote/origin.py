"""What builds with a server leave on this machine, kept apart from what this machine found out by itself.

A workspace names its server, and who may write to that server decides what it answers. So what a build with
a server records is found by builds with the same server only: no other workspace has chosen to trust it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from hermpkg_build.core.digest import Digest, fingerprint
from hermpkg_build.dataclass import dataclass

if TYPE_CHECKING:
    from hermpkg_build.engine.rebuilder import ActionResults
    from hermpkg_build.loading.workspace import Workspace
    from hermpkg_build.remote.settings import RemoteSettings
    from hermpkg_build.source.known_facts import FactsStore
    from hermpkg_build.store.action_cache import ActionResult


def origin_of(settings: RemoteSettings) -> str:
    """Name the servers of `settings` by a hash of their addresses."""
    return fingerprint([settings.cache, settings.executor]).hash


def named_by(workspace: Workspace, settings: RemoteSettings) -> list[str]:
    """List the servers of `settings` that it is `workspace` who names them, without secrets."""
    from hermpkg_build.remote.addresses import without_secrets

    named = {workspace.settings.get("remote-cache"), workspace.settings.get("remote-executor")}
    servers = [server for server in (settings.cache, settings.executor) if server and server in named]
    return list(dict.fromkeys(map(without_secrets, servers)))


@dataclass(frozen=True, slots=True)
class ResultsOfOrigin:
    """The results of this machine and those of an origin; new ones are of the origin."""

    results: ActionResults
    origin: str

    def get(self, key: Digest) -> ActionResult | None:
        """The result of the action with this digest, None where there is none."""
        return self.results.get(key) or self.results.get(self._own(key))

    def put(self, key: Digest, result: ActionResult) -> None:
        """Keep a result."""
        self.results.put(self._own(key), result)

    def _own(self, key: Digest) -> Digest:
        return fingerprint([self.origin, str(key)])


@dataclass(frozen=True, slots=True)
class FactsOfOrigin:
    """The import facts of this machine and those of an origin; new ones are of the origin."""

    facts: FactsStore
    origin: str

    def get_many(self, digests: Collection[Digest], *, version: str) -> dict[Digest, bytes]:
        """Those that are there."""
        found = self.facts.get_many(digests, version=version)
        left = [digest for digest in digests if digest not in found]
        return {**found, **self.facts.get_many(left, version=self._own(version))}

    def put_many(self, facts: Mapping[Digest, bytes], *, version: str) -> None:
        """Keep some more."""
        self.facts.put_many(facts, version=self._own(version))

    def _own(self, version: str) -> str:
        return f"{version} {self.origin}"
