"""The policies of this process: the ``.toml`` files among what ``HERMPKG_TRUST`` names.

Once one was read it holds as long as the process lives, as it was then: code that an importer has loaded can
change neither the variable nor the file for the importers after it.
"""

from __future__ import annotations

import os
import threading

from hermpkg_build.disk.trust import POLICY_SUFFIX, VARIABLE
from hermpkg_build.trust.errors import TrustPolicyError
from hermpkg_build.trust.policy import TrustPolicy
from hermpkg_build.trust.policy_file import read_policy

_policies: dict[str, TrustPolicy] = {}
"""What was read so far, by the absolute paths at that time."""
_texts: set[str] = set()
"""The values of the variable that were read already: a relative path in one means what it meant first."""
_lock = threading.Lock()


def process_policies() -> tuple[TrustPolicy, ...]:
    """Return all policies that hold in this process; each of them must accept an artifact.

    Raises TrustPolicyError for a file that cannot be read, and for an entry of the variable that is neither a
    policy nor the absolute path of a folder: with a misspelled name nothing is accepted.
    """
    text = os.environ.get(VARIABLE, "")
    with _lock:
        if text not in _texts:
            for entry in text.split(os.pathsep):
                _read(entry)
            _texts.add(text)
        return tuple(_policies.values())


def _read(entry: str) -> None:
    if entry.endswith(POLICY_SUFFIX):
        path = os.path.abspath(entry)
        if path not in _policies:
            _policies[path] = read_policy(path)
    elif entry and (not os.path.isabs(entry) or os.path.isfile(entry)):
        raise TrustPolicyError(
            f"{VARIABLE} names something that is neither a folder nor a policy, so nothing is accepted",
            facts=[("entry", entry)],
            next_step=f"name folders by absolute paths, and policies by paths that end with {POLICY_SUFFIX}",
        )
