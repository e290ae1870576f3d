"""The options of the commands that sign, and who signs by them."""

from __future__ import annotations

import os
import sys
from shlex import quote
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import flag, option, repeated
from hermpkg_build.cli.remote import EngineArguments
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import CommandLineError

if TYPE_CHECKING:
    from hermpkg_build.signing.sign import Certificates, SigningIdentity

PASSWORD = "HERMPKG_SIGN_PASSWORD"  # noqa: S105 - the name of a variable
_MAKING = "openssl ecparam -name prime256v1 -genkey -noout -out "
_MOST_BYTES = 1 << 20
"""Keys and certificates are smaller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningArguments(EngineArguments):
    """The arguments of the commands that sign: with what."""

    private_key: str | None = option(
        "--private-key FILE",
        "sign with the key in FILE (PEM, an elliptic curve); the password of an encrypted one is in "
        f"`${PASSWORD}`, or is asked for",
        read=str,
        default=None,
    )
    signing_certificate: str | None = option(
        "--signing-certificate FILE", "show the key's certificate in FILE (PEM)", read=str, default=None
    )
    certificate_chain: tuple[str, ...] = repeated(
        "--certificate-chain FILE", "show the certificates that lead from it to a root, too", read=str
    )
    pkcs11_uri: str | None = option(
        "--pkcs11-uri URI", "sign with a key in a token, by its PKCS #11 URI", read=str, default=None
    )
    module_path: tuple[str, ...] = repeated(
        "--module-path DIR", "look for tokens' libraries in DIR, which the URI names", read=str
    )
    sigstore: bool = flag(
        "--sigstore",
        "sign as the identity that the machine's own credentials show, as in GitHub Actions and GitLab CI, "
        "or that a browser asks for; it is written into Sigstore's public log",
    )
    use_staging: bool = flag("--use-staging", "use Sigstore's instance for trials")
    trust_config: str | None = option(
        "--trust-config FILE",
        "use the instance of Sigstore that FILE describes (JSON)",
        read=str,
        default=None,
    )

    @property
    def names_signer(self) -> bool:
        """Whether any option says who signs."""
        return bool(self.private_key or self.pkcs11_uri or self.sigstore)


def signing_identity(arguments: SigningArguments) -> SigningIdentity:
    """Return who signs. Raises CommandLineError where that is not one, or files cannot be read."""
    from hermpkg_build.signing.sign import KeyFile, SigstoreIdentity, TokenKey

    _check(arguments)
    if arguments.sigstore:
        return SigstoreIdentity(staging=arguments.use_staging, trust_config=arguments.trust_config or "")
    certificates = _certificates(arguments)
    if arguments.pkcs11_uri is not None:
        return TokenKey(uri=arguments.pkcs11_uri, modules=arguments.module_path, certificates=certificates)
    assert arguments.private_key is not None
    key = read_input(
        arguments.private_key, absent=f"make a key:\n    {_MAKING}{quote(arguments.private_key)}"
    )
    return KeyFile(
        private_key=key,
        password=_password(arguments.private_key) if b"ENCRYPTED" in key else None,
        name=arguments.private_key,
        certificates=certificates,
    )


def _certificates(arguments: SigningArguments) -> Certificates | None:
    from hermpkg_build.signing.sign import Certificates

    if arguments.signing_certificate is None:
        return None
    return Certificates(
        certificate=read_input(arguments.signing_certificate),
        chain=b"".join(map(read_input, arguments.certificate_chain)),
        names=(arguments.signing_certificate, " ".join(arguments.certificate_chain)),
    )


def read_input(path: str, absent: str = "") -> bytes:
    """Read a key, certificates or a configuration. Raises CommandLineError, with what `absent` ones need."""
    from hermpkg_build.disk.files import read_limited

    try:
        return read_limited(path, _MOST_BYTES)
    except OSError as error:
        raise CommandLineError(
            f"{path!r} cannot be read",
            facts=[("reason", error.strerror or str(error))],
            next_step=absent if isinstance(error, FileNotFoundError) else "",
        ) from None


def _check(arguments: SigningArguments) -> None:
    ways = {
        "--private-key": arguments.private_key,
        "--pkcs11-uri": arguments.pkcs11_uri,
        "--sigstore": arguments.sigstore,
    }
    given = [name for name, value in ways.items() if value]
    if not given:
        raise CommandLineError(
            "nothing says who signs",
            facts=[("ways", ", ".join(ways))],
            next_step=f"make a key: {_MAKING}key.pem\nand sign with it: --private-key key.pem",
        )
    if len(given) > 1:
        raise CommandLineError(f"{given[0]} and {given[1]} are two signers", next_step="sign twice")
    if arguments.certificate_chain and not arguments.signing_certificate:
        raise CommandLineError("--certificate-chain needs --signing-certificate")
    if arguments.signing_certificate and arguments.sigstore:
        raise CommandLineError("--signing-certificate needs --private-key or --pkcs11-uri")
    if (arguments.use_staging or arguments.trust_config) and not arguments.sigstore:
        raise CommandLineError("--use-staging and --trust-config need --sigstore")
    if arguments.module_path and not arguments.pkcs11_uri:
        raise CommandLineError("--module-path needs --pkcs11-uri")


def _password(path: str) -> str | None:
    if PASSWORD in os.environ:
        return os.environ[PASSWORD]
    if not sys.stdin.isatty():
        return None
    from getpass import getpass

    return getpass(f"password of {path}: ")
