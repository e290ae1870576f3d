"""The binary structures of ZIP files, after PKWARE's APPNOTE 6.3.10 (sections in brackets)."""

from __future__ import annotations

from struct import Struct

LOCAL_SIGNATURE = 0x04034B50
CENTRAL_SIGNATURE = 0x02014B50
END_SIGNATURE = 0x06054B50
ZIP64_END_SIGNATURE = 0x06064B50
ZIP64_LOCATOR_SIGNATURE = 0x07064B50

LOCAL = Struct("<IHHHHHIIIHH")
"""signature, version needed, flags, method, time, date, CRC, packed size, size, name length,
extra length [4.3.7]"""

CENTRAL = Struct("<IHHHHHHIIIHHHHHII")
"""signature, made by, needed, flags, method, time, date, CRC, packed size, size, name length, extra length,
comment length, disk, internal attributes, external attributes, local header offset [4.3.12]"""

END = Struct("<IHHHHIIH")
"""signature, disk, directory's disk, entries here, entries, directory size, offset,
comment length [4.3.16]"""

ZIP64_END = Struct("<IQHHIIQQQQ")
"""signature, size of the rest, made by, needed, disk, directory's disk, entries here, entries, directory
size, offset [4.3.14]"""

ZIP64_LOCATOR = Struct("<IIQI")
"""signature, disk of the ZIP64 end record, its offset, number of disks [4.3.15]"""

EXTRA = Struct("<HH")
"""identifier and length of one extra field [4.5.1]"""

MAX_16 = 0xFFFF
MAX_32 = 0xFFFFFFFF
"""In a field of the old size, the value that stands for: see the ZIP64 structure [4.4.1.4]."""

ZIP64_EXTRA = 0x0001
ALIGNMENT_EXTRA = 0xD935
"""The registered extra field whose only purpose is padding: two bytes with the alignment, then zeros."""

FLAG_ENCRYPTED = 0x0001
FLAG_SUMS_FOLLOW = 0x0008
FLAG_STRONG_ENCRYPTION = 0x0040
FLAG_UTF8 = 0x0800
FLAG_MASKED_HEADERS = 0x2000

STORED = 0
DEFLATED = 8

METHOD_NAMES = {
    1: "shrink",
    6: "implode",
    9: "deflate64",
    12: "bzip2",
    14: "lzma",
    20: "zstd",
    93: "zstd",
    95: "xz",
    98: "ppmd",
    99: "AES encryption",
}
"""The names of the compression methods [4.4.5] that are not supported, for messages."""
