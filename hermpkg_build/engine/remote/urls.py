"""The URLs of remote servers: which are understood, and which no secret may be sent to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hermpkg_build.errors import CommandLineError

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from hermpkg_build.engine.remote.setting_source import SettingSource
    from hermpkg_build.remote.settings import RemoteSettings

CACHE_SCHEMES = ("grpc", "grpcs", "http", "https")
EXECUTOR_SCHEMES = ("grpc", "grpcs")

_ENCRYPTED = {"grpc": "grpcs", "http": "https"}
_SECRET_HEADER = re.compile(r"auth(?!or$)|cookie|credential|token|secret|passw|passphrase|key", re.IGNORECASE)


def read_url(text: str, schemes: Sequence[str], source: SettingSource) -> str:
    """A server's URL, its scheme in lower case, without a slash at its end; "" for none.

    Raises the error of `source`. What the error shows of the URL is without what can be a secret.
    """
    from urllib.parse import urlsplit

    if not text:
        return ""
    shown = without_secrets(text)
    expected = " or ".join(f"{scheme}://HOST:PORT" for scheme in schemes)
    step = f"write {expected}"
    if "@" in text:
        step += "\nin a password, write what is no letter or digit as %XX, its code in hexadecimal"
    try:
        parts = urlsplit(text)
        scheme, host, _ = parts.scheme, parts.hostname, parts.port
    except ValueError as error:
        # The error quotes the URL, and what it takes for the port can be a part of the password.
        facts = [] if "@" in text else [("reason", str(error))]
        raise source.wrong(f"is no URL: {shown}", facts=facts, next_step=step) from None
    if "://" not in text or scheme not in schemes:
        raise source.wrong(f"cannot be {shown!r}", next_step=step)
    if not host or re.search(r"[\s\0]", text):
        raise source.wrong(f"names no host: {shown!r}", next_step=step)
    if parts.query or parts.fragment:
        raise source.wrong(f"has no room for what follows the path: {shown}", next_step=step)
    if scheme in EXECUTOR_SCHEMES and parts.path.strip("/"):
        instance = without_secrets(parts.path).strip("/")
        raise source.wrong(
            f"has no path: {shown}",
            next_step=f"where it is the instance's name: --remote-instance {instance}",
        )
    if scheme in EXECUTOR_SCHEMES and "@" in parts.netloc:
        raise source.wrong("has no user in its URL", next_step="give a token with --remote-token-file FILE")
    return f"{scheme}://{text.partition('://')[2].rstrip('/')}"


def check_secrecy(settings: RemoteSettings) -> None:
    """See that no credentials would travel where others can read them, and that certificates have keys.

    Raises CommandLineError.
    """
    from urllib.parse import urlsplit

    from hermpkg_build.remote.addresses import is_loopback

    if bool(settings.client_certificate) != bool(settings.client_key):
        has, lacks = "client-certificate", "client-key"
        if settings.client_key:
            has, lacks = lacks, has
        raise CommandLineError(
            f"--remote-{has} is of no use alone", next_step=f"name its --remote-{lacks} FILE"
        )
    for url in dict.fromkeys((settings.cache, settings.executor)):
        parts = urlsplit(url)
        secret = _secret_for(settings, parts)
        if secret and parts.scheme in _ENCRYPTED and not is_loopback(parts.hostname or ""):
            raise CommandLineError(
                "credentials are not sent over a connection that others can read",
                facts=[
                    ("server", f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"),
                    ("credentials", secret),
                ],
                next_step=f"use {_ENCRYPTED[parts.scheme]}://, or leave the credentials out",
            )


def without_secrets(text: str) -> str:
    """A text that is to be a URL, and may be none: without all up to the last "@", query and fragment."""
    scheme = re.match(r"[a-zA-Z0-9+.-]*://", text)
    place = text[scheme.end() :] if scheme else text
    return (scheme[0] if scheme else "") + re.split(r"[?#]", place.rpartition("@")[2])[0]


def _secret_for(settings: RemoteSettings, url: SplitResult) -> str:
    """What would be told to the server that only it may know; "" for nothing."""
    from hermpkg_build.remote.credential_helper import helper_for

    if "@" in url.netloc:
        return "the user in its URL"
    if settings.token_file:
        return f"the token in {settings.token_file}"
    program = helper_for(url.hostname or "", settings.credential_helpers)
    if program:
        return f"those that {program} gives"
    return next((f"the header {name}" for name, _ in settings.headers if _SECRET_HEADER.search(name)), "")
