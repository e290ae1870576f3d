"""References to what lies in registries: ``oci://registry.example.com/team/resnet:1.2@sha256:...``."""

from __future__ import annotations

import re

from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import CommandLineError

SCHEME = "oci://"
LATEST = "latest"

_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:.]+\])(?::[0-9]{1,5})?")
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LONGEST_REPOSITORY = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What a reference names: `tag` is "" where it has a digest alone, `sha256` "" where it has none.

    >>> reference = Reference.parse("oci://localhost:5000/team/resnet:1.2")
    >>> reference.host, reference.repository, reference.tag
    ('localhost:5000', 'team/resnet', '1.2')
    >>> str(Reference.parse("oci://localhost:5000/team/resnet"))
    'oci://localhost:5000/team/resnet:latest'
    """

    host: str
    repository: str
    tag: str = ""
    sha256: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Take one apart; without tag and digest it means the tag `LATEST`. Raises CommandLineError."""
        host, slash, rest = text.removeprefix(SCHEME).partition("/")
        name, at, digest = rest.partition("@")
        repository, colon, tag = name.partition(":")
        problems = {
            f"it does not begin with {SCHEME}": not text.startswith(SCHEME),
            "it names no registry": not _HOST.fullmatch(host),
            "it names no repository": not slash or not repository,
            "a repository is of lower-case letters, digits, and . _ - between them": (
                not _REPOSITORY.fullmatch(repository) or len(repository) > _LONGEST_REPOSITORY
            ),
            "its tag is not one": colon and not _TAG.fullmatch(tag),
            "its digest is not sha256: and 64 hexadecimal digits": at and not _DIGEST.fullmatch(digest),
        }
        if reason := next((reason for reason, found in problems.items() if found), ""):
            raise CommandLineError(
                f"{text!r} is not a reference to a registry",
                facts=[("reason", reason)],
                next_step="write oci://REGISTRY/REPOSITORY:TAG, such as oci://localhost:5000/team/resnet:1.2",
            )
        return cls(
            host=host.lower(),
            repository=repository,
            tag=tag or ("" if digest else LATEST),
            sha256=digest.removeprefix("sha256:"),
        )

    @property
    def name(self) -> str:
        """The last part of the repository."""
        return self.repository.rpartition("/")[2]

    @property
    def version(self) -> str:
        """What a registry is asked for: the digest, else the tag."""
        return f"sha256:{self.sha256}" if self.sha256 else self.tag

    def pinned(self, sha256: str) -> Reference:
        """The same with the digest that its tag means now."""
        return Reference(host=self.host, repository=self.repository, tag=self.tag, sha256=sha256)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@sha256:{self.sha256}" if self.sha256 else ""
        return f"{SCHEME}{self.host}/{self.repository}{tag}{digest}"


def is_reference(word: object) -> bool:
    """Tell whether a word is meant as a reference, right or wrong."""
    return isinstance(word, str) and word.startswith(SCHEME)
