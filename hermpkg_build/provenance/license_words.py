"""What the words mean that distributions say their licences in: classifiers and usual names."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping

from hermpkg_build.dataclass import dataclass


class Demand(str, enum.Enum):
    """What a licence demands of whoever passes the code on, the least first."""

    PERMISSIVE = "permissive"
    """To keep its notices, at most."""
    WEAK_COPYLEFT = "weak-copyleft"
    """The source of this code, with what was changed in it."""
    UNKNOWN = "unknown"
    """Nothing says it, or in words that are not known."""
    STRONG_COPYLEFT = "strong-copyleft"
    """The source of all that the code is part of."""
    PROPRIETARY = "proprietary"
    """A permission, or that the code is not passed on, not sold or not used for some ends."""

    __str__ = str.__str__

    @property
    def strictness(self) -> int:
        """Its place in the order of what is demanded."""
        return list(Demand).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownLicense:
    """A licence that words mean: an SPDX identifier, "" where they leave open which of several it is."""

    spdx: str = ""
    demand: Demand


_P, _W, _S = Demand.PERMISSIVE, Demand.WEAK_COPYLEFT, Demand.STRONG_COPYLEFT
_NO = Demand.PROPRIETARY

_OSI = "License :: OSI Approved :: "
_CLASSIFIERS: Mapping[str, tuple[str, Demand]] = {
    _OSI + "Academic Free License (AFL)": ("", _P),
    _OSI + "Apache Software License": ("", _P),
    _OSI + "Artistic License": ("", _W),
    _OSI + "BSD License": ("", _P),
    _OSI + "Blue Oak Model License (BlueOak-1.0.0)": ("BlueOak-1.0.0", _P),
    _OSI + "Boost Software License 1.0 (BSL-1.0)": ("BSL-1.0", _P),
    _OSI + "CEA CNRS Inria Logiciel Libre License, version 2.1 (CeCILL-2.1)": ("CECILL-2.1", _W),
    _OSI + "CMU License (MIT-CMU)": ("MIT-CMU", _P),
    _OSI + "Common Development and Distribution License 1.0 (CDDL-1.0)": ("CDDL-1.0", _W),
    _OSI + "Eclipse Public License 1.0 (EPL-1.0)": ("EPL-1.0", _W),
    _OSI + "Eclipse Public License 2.0 (EPL-2.0)": ("EPL-2.0", _W),
    _OSI + "European Union Public Licence 1.1 (EUPL 1.1)": ("EUPL-1.1", _W),
    _OSI + "European Union Public Licence 1.2 (EUPL 1.2)": ("EUPL-1.2", _W),
    _OSI + "GNU Affero General Public License v3": ("AGPL-3.0-only", _S),
    _OSI + "GNU Affero General Public License v3 or later (AGPLv3+)": ("AGPL-3.0-or-later", _S),
    _OSI + "GNU General Public License (GPL)": ("", _S),
    _OSI + "GNU General Public License v2 (GPLv2)": ("GPL-2.0-only", _S),
    _OSI + "GNU General Public License v2 or later (GPLv2+)": ("GPL-2.0-or-later", _S),
    _OSI + "GNU General Public License v3 (GPLv3)": ("GPL-3.0-only", _S),
    _OSI + "GNU General Public License v3 or later (GPLv3+)": ("GPL-3.0-or-later", _S),
    _OSI + "GNU Lesser General Public License v2 (LGPLv2)": ("", _W),
    _OSI + "GNU Lesser General Public License v2 or later (LGPLv2+)": ("", _W),
    _OSI + "GNU Lesser General Public License v3 (LGPLv3)": ("LGPL-3.0-only", _W),
    _OSI + "GNU Lesser General Public License v3 or later (LGPLv3+)": ("LGPL-3.0-or-later", _W),
    _OSI + "GNU Library or Lesser General Public License (LGPL)": ("", _W),
    _OSI + "Historical Permission Notice and Disclaimer (HPND)": ("HPND", _P),
    _OSI + "ISC License (ISCL)": ("ISC", _P),
    _OSI + "MIT License": ("MIT", _P),
    _OSI + "MIT No Attribution License (MIT-0)": ("MIT-0", _P),
    _OSI + "Mozilla Public License 1.0 (MPL)": ("MPL-1.0", _W),
    _OSI + "Mozilla Public License 1.1 (MPL 1.1)": ("MPL-1.1", _W),
    _OSI + "Mozilla Public License 2.0 (MPL 2.0)": ("MPL-2.0", _W),
    _OSI + "NASA Open Source Agreement v1.3 (NASA-1.3)": ("NASA-1.3", _W),
    _OSI + "Python License (CNRI Python License)": ("CNRI-Python", _P),
    _OSI + "Python Software Foundation License": ("PSF-2.0", _P),
    _OSI + "The Unlicense (Unlicense)": ("Unlicense", _P),
    _OSI + "Universal Permissive License (UPL)": ("UPL-1.0", _P),
    _OSI + "University of Illinois/NCSA Open Source License": ("NCSA", _P),
    _OSI + "W3C License": ("W3C", _P),
    _OSI + "Zero-Clause BSD (0BSD)": ("0BSD", _P),
    _OSI + "Zope Public License": ("", _P),
    _OSI + "zlib/libpng License": ("Zlib", _P),
    "License :: CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": ("CC0-1.0", _P),
    "License :: Public Domain": ("", _P),
    "License :: Free for non-commercial use": ("", _NO),
    "License :: Free To Use But Restricted": ("", _NO),
    "License :: Other/Proprietary License": ("", _NO),
}

_NAMES: Mapping[str, tuple[str, Demand]] = {
    "MIT / Expat / MIT X11": ("MIT", _P),
    "Apache 2.0 / Apache Software 2.0 / ASL 2.0 / Apache 2": ("Apache-2.0", _P),
    "Apache / Apache Software": ("", _P),
    "BSD / BSD style": ("", _P),
    "BSD 3 Clause / 3 Clause BSD / new BSD / modified BSD / revised BSD": ("BSD-3-Clause", _P),
    "BSD 2 Clause / 2 Clause BSD / simplified BSD / FreeBSD": ("BSD-2-Clause", _P),
    "ISC / ISCL": ("ISC", _P),
    "zlib / zlib libpng": ("Zlib", _P),
    "Boost Software 1.0 / Boost 1.0": ("BSL-1.0", _P),
    "PSF / PSFL / Python Software Foundation": ("PSF-2.0", _P),
    "Unlicense": ("Unlicense", _P),
    "CC0 / CC0 1.0": ("CC0-1.0", _P),
    "HPND / PIL": ("HPND", _P),
    "ZPL 2.1 / Zope Public 2.1": ("ZPL-2.1", _P),
    "Public Domain / ZPL / Zope Public": ("", _P),
    "MPL 2.0 / Mozilla Public 2.0": ("MPL-2.0", _W),
    "MPL / LGPL / GNU LGPL / GNU Lesser General Public / LGPL 2 / LGPL 2 +": ("", _W),
    "LGPL 3 / GNU LGPL 3 / LGPL 3.0": ("LGPL-3.0-only", _W),
    "LGPL 3 + / GNU LGPL 3 + / LGPL 3 or later": ("LGPL-3.0-or-later", _W),
    "LGPL 2.1 / GNU LGPL 2.1": ("LGPL-2.1-only", _W),
    "LGPL 2.1 + / GNU LGPL 2.1 +": ("LGPL-2.1-or-later", _W),
    "EPL 2.0 / Eclipse Public 2.0": ("EPL-2.0", _W),
    "GPL / GNU GPL / GNU General Public / GNU": ("", _S),
    "GPL 2 / GNU GPL 2 / GPL 2.0 / GNU General Public 2": ("GPL-2.0-only", _S),
    "GPL 2 + / GNU GPL 2 + / GPL 2 or later": ("GPL-2.0-or-later", _S),
    "GPL 3 / GNU GPL 3 / GPL 3.0 / GNU General Public 3 / GNU General Public 3.0": ("GPL-3.0-only", _S),
    "GPL 3 + / GNU GPL 3 + / GPL 3 or later / GNU General Public 3 or later": ("GPL-3.0-or-later", _S),
    "AGPL / GNU AGPL / GNU Affero General Public": ("", _S),
    "AGPL 3 / GNU AGPL 3 / AGPL 3.0 / GNU Affero General Public 3": ("AGPL-3.0-only", _S),
    "AGPL 3 + / GNU AGPL 3 + / AGPL 3 or later": ("AGPL-3.0-or-later", _S),
    "proprietary / commercial / all rights reserved / NVIDIA proprietary software": ("", _NO),
    "other proprietary": ("", _NO),
}

_WORDS = re.compile(r"[a-z]+(?=v\d)|[a-z]+|\d+(?:\.\d+)*|\+")
_IDLE = frozenset(
    {"the", "license", "licence", "licensed", "licensing", "version", "v", "under", "terms", "of"}
)


def known_classifier(classifier: str) -> KnownLicense | None:
    """Return what a classifier means; None for one that names no licence, or an unknown one."""
    found = _CLASSIFIERS.get(classifier)
    return KnownLicense(spdx=found[0], demand=found[1]) if found else None


def known_name(text: str) -> KnownLicense | None:
    """Return what a usual name means, however it is spelt; None for any other text.

    >>> known_name("Apache License, Version 2.0").spdx, known_name("The BSD license").spdx
    ('Apache-2.0', '')
    >>> known_name("GPLv3+").spdx, known_name("MIT, mostly")
    ('GPL-3.0-or-later', None)
    """
    found = _BY_KEY.get(_key(text))
    return KnownLicense(spdx=found[0], demand=found[1]) if found else None


def _key(text: str) -> tuple[str, ...]:
    """Return the words of a name that count, in lower case; ``MIT License (MIT)`` says one twice."""
    words = [word for word in _WORDS.findall(text.lower()) if word not in _IDLE]
    half = len(words) // 2
    return tuple(words[:half] if words[:half] == words[half:] else words)


_BY_KEY = {_key(name): meaning for names, meaning in _NAMES.items() for name in names.split(" / ")}
