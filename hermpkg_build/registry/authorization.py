"""Answers the challenges of registries: basic authentication, and tokens of their token servers."""

from __future__ import annotations

import base64
import json
import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from hermpkg_build.registry.docker_config import Login, find_login
from hermpkg_build.remote.failures import RemoteError

if TYPE_CHECKING:
    from hermpkg_build.registry.reference import Reference

_ITEM = re.compile(r"([A-Za-z_]+)\s*=\s*(?:\"([^\"]*)\"|([^\s,\"=]+))|([A-Za-z]+)")
_LONGEST_CHALLENGE = 16 << 10
_TOKEN = re.compile(r"[\x21-\x7e]{1,65536}")

AskForToken = Callable[[str, Mapping[str, str], bytes | None], bytes]
"""Asks the token server at a URL, with headers, by GET or with a form; gives its answer."""


class RegistryCredentials:
    """The headers for one repository of a registry: none until the registry says what it wants.

    The login is looked for then. `scopes` are what tokens are to allow, as ``repository:team/net:pull``.
    """

    def __init__(self, reference: Reference, scopes: Sequence[str], ask: AskForToken) -> None:
        self._reference = reference
        self._scopes = scopes
        self._ask = ask
        self._lock = threading.Lock()
        self._kept: Mapping[str, str] = {}

    def headers(self) -> Mapping[str, str]:
        """See `CredentialSource`."""
        return self._kept

    def refused(self, headers: Mapping[str, str] | None = None, challenge: str = "") -> bool:
        """Get what a challenge asks for; whether that is anything new. Raises RemoteError."""
        with self._lock:
            if headers is not None and headers is not self._kept:
                return True
            wanted = _challenges(challenge)
            if not wanted:
                return False
            login = find_login(self._reference.host, self._reference.repository, os.environ)
            new = self._answer(wanted, login)
            if new is None or new == self._kept:
                return False
            self._kept = new
            return True

    def _answer(
        self, wanted: Mapping[str, Mapping[str, str]], login: Login | None
    ) -> Mapping[str, str] | None:
        if login is not None and login.registry_token:
            return {"Authorization": f"Bearer {login.registry_token}"}
        if "bearer" in wanted and "realm" in wanted["bearer"]:
            return {"Authorization": f"Bearer {self._token(wanted['bearer'], login)}"}
        if "basic" in wanted and login is not None and login.user:
            return _basic(login)
        return None

    def _token(self, wanted: Mapping[str, str], login: Login | None) -> str:
        scopes = list(dict.fromkeys([*self._scopes, *wanted.get("scope", "").split()]))
        query = [("scope", scope) for scope in scopes]
        if service := wanted.get("service"):
            query.insert(0, ("service", service))
        realm = wanted["realm"]
        if login is not None and login.identity_token:
            form = {
                "grant_type": "refresh_token",
                "client_id": "hermpkg",
                "service": wanted.get("service", ""),
                "scope": " ".join(scopes),
                "refresh_token": login.identity_token,
            }
            answer = self._ask(realm, {}, urlencode(form).encode())
        else:
            headers = _basic(login) if login is not None and login.user else {}
            joint = "&" if "?" in realm else "?"
            answer = self._ask(f"{realm}{joint}{urlencode(query)}", headers, None)
        try:
            fields = json.loads(answer)
            token = fields.get("token") or fields.get("access_token")
        except (ValueError, RecursionError, AttributeError):
            token = None
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise RemoteError(
                "protocol",
                "cannot log in at the registry",
                server=self._reference.host,
                reason="its token server gave no token",
                next_step="check the configuration of the registry",
            )
        return token


def _basic(login: Login) -> Mapping[str, str]:
    # In UTF-8: https://www.rfc-editor.org/rfc/rfc7617.
    pair = base64.b64encode(f"{login.user}:{login.password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def _challenges(text: str) -> Mapping[str, Mapping[str, str]]:
    """The parameters of each challenge in a header, by its scheme in lower case.

    >>> _challenges('Bearer realm="https://auth.example.com/token",service="example"')
    {'bearer': {'realm': 'https://auth.example.com/token', 'service': 'example'}}
    """
    found: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for name, quoted, plain, scheme in _ITEM.findall(text[:_LONGEST_CHALLENGE]):
        if scheme:
            current = found.setdefault(scheme.lower(), {})
        else:
            current.setdefault(name.lower(), quoted or plain)
    return found
