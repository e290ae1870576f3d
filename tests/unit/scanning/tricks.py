"""Pickles that start a process when they are loaded, each written to be missed by somebody who reads it."""

from __future__ import annotations

import base64
import bz2
import gzip
import lzma
import pickle
import zlib
from collections.abc import Mapping

COMMAND = b"echo scanned"
SIMPLE = b"cos\nsystem\n(S'" + COMMAND + b"'\ntR."
_CALL = b"(X" + len(COMMAND).to_bytes(4, "little") + COMMAND + b"tR"


def text(value: str) -> bytes:
    """BINUNICODE."""
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + len(data).to_bytes(4, "little") + data


def short(value: str) -> bytes:
    """SHORT_BINUNICODE."""
    return b"\x8c" + bytes([len(value)]) + value.encode()


_SYSTEM = short("os") + short("system") + b"\x93"

TRICKS: Mapping[str, bytes] = {
    "plain, protocol 0": SIMPLE,
    "plain, protocol 2": b"\x80\x02cos\nsystem\n" + _CALL + b".",
    "STACK_GLOBAL": b"\x80\x04" + _SYSTEM + _CALL + b".",
    "INST": b"(S'" + COMMAND + b"'\nios\nsystem\n.",
    "OBJ": b"(cos\nsystem\nS'" + COMMAND + b"'\no.",
    "NEWOBJ": b"\x80\x02csubprocess\nPopen\n" + text("ls") + b"\x85\x81.",
    "NEWOBJ_EX": b"\x80\x04csubprocess\nPopen\n" + text("ls") + b"\x85}\x92.",
    "thrown away": b"\x80\x04" + _SYSTEM + _CALL + b"0N.",
    "thrown away with its mark": b"\x80\x04(" + _SYSTEM + _CALL + b"1N.",
    "names from the memo": b"\x80\x04"
    + short("os")
    + b"\x94"
    + short("system")
    + b"\x9400h\x00h\x01\x93"
    + _CALL
    + b".",
    "names put under odd numbers": b"\x80\x02"
    + text("os")
    + b"r\xff\x00\x00\x000"
    + text("system")
    + b"p7\n0j\xff\x00\x00\x00g7\n\x93"
    + _CALL
    + b".",
    "a memo written over": b"\x80\x04" + short("math") + b"q\x000" + short("os") + b"q\x000"
    b"h\x00" + short("system") + b"\x93" + _CALL + b".",
    "names duplicated": b"\x80\x04" + short("os") + short("system") + b"20\x93" + _CALL + b".",
    "a name that a call computes": b"\x80\x04c_codecs\nencode\n"
    + text("bf")
    + text("rot13")
    + b"\x86R"
    + short("system")
    + b"\x93"
    + _CALL
    + b".",
    "a dotted name": b"\x80\x04" + short("torch") + short("os.system") + b"\x93" + _CALL + b".",
    "the name of another system": b"cposix\nsystem\n(S'ls'\ntR.",
    "a name of Python 2": b"c__builtin__\nexecfile\n(S'x'\ntR.",
    "a module of Python 2": b"ccommands\ngetoutput\n(S'ls'\ntR.",
    "numbers that only C reads": b"I0x10\n0L0x10L\n0" + SIMPLE,
    "text beyond ASCII": b"S'\xff'\n0" + SIMPLE,
    "names with escapes": b"\x80\x04S'\\x6fs'\nS'sys\\x74em'\n\x93" + _CALL + b".",
    "names in UTF-16 escapes": b"\x80\x04V\\u006fs\nVsystem\n\x93" + _CALL + b".",
    "an extension code": b"\x80\x02\x82\x01)R.",
    "without an end": b"\x80\x04" + _SYSTEM + _CALL,
    "broken after the call": b"\x80\x04" + _SYSTEM + _CALL + b"\xff\xff\xff",
    "an empty stack after the call": b"\x80\x04" + _SYSTEM + _CALL + b"00000.",
    "behind another pickle": pickle.dumps({"a": 1}) + SIMPLE,
    "behind many pickles": pickle.dumps(None) * 50 + SIMPLE,
    "a frame that lies": b"\x80\x04\x95\x02" + b"\0" * 7 + _SYSTEM + _CALL + b".",
    "protocols that change": b"\x80\x00\x80\x05\x80\x01" + SIMPLE,
    "a protocol nobody knows": b"\x80\x09" + SIMPLE,
    "state for a class": b"\x80\x02ctorch\nTensor\n}" + text("__add__") + b"cmath\nsqrt\nsb.",
    "items for a module's table": b"\x80\x02csys\nmodules\n" + text("os") + b"N\x73.",
    "a path put onto sys.path": b"\x80\x02csys\npath\n" + text("/evil") + b"a.",
    "attributes by functions": b"cbuiltins\ngetattr\n(c__builtin__\n__import__\n(S'os'\ntR"
    b"S'system'\ntR(S'ls'\ntR.",
    "attributes that lead inside": b"cbuiltins\ngetattr\n(cbuiltins\ngetattr\n(ctorch\nSize\nS'count'\ntR"
    b"S'__globals__'\ntR.",
    "operator": b"coperator\nmethodcaller\n(S'system'\nS'ls'\ntR(cimportlib\nimport_module\n(S'os'\ntRtR.",
    "partial": b"cfunctools\npartial\n(cos\nsystem\nS'ls'\ntR)R.",
    "a module nobody lists": b"cpydoc\npipepager\n(S'x'\nS'ls'\ntR.",
    "a test module": b"cnumpy.testing._private.utils\nrunstring\n(S'1'\n}tR.",
    "torch's own loader": b"ctorch.storage\n_load_from_bytes\n(S'x'\ntR.",
    "a persistent function": b"\x80\x02" + text("x") + b"Q(tR.",
    "behind large bytes": b"\x80\x03B" + (1 << 17).to_bytes(4, "little") + bytes(1 << 17) + b"0" + SIMPLE,
    "behind a large text": b"\x80\x02X" + (1 << 17).to_bytes(4, "little") + b"a" * (1 << 17) + b"0" + SIMPLE,
    "behind a long line": b"V" + b"a" * (1 << 17) + b"\n0" + SIMPLE,
    "deep": b"\x80\x02" + b"]" * 3000 + _SYSTEM + _CALL + b"a" * 3000 + b".",
}
"""Loading each of them with `pickle` runs something, or does where its names are found."""

WRAPPED: Mapping[str, bytes] = {
    "gzip": gzip.compress(SIMPLE),
    "bz2": bz2.compress(SIMPLE),
    "xz": lzma.compress(SIMPLE),
    "zlib": zlib.compress(SIMPLE),
    "gzip in xz": lzma.compress(gzip.compress(SIMPLE)),
    "in bytes": pickle.dumps({"blob": b"\x80\x02" + SIMPLE, "s": {1}}, 4),
    "in a text": pickle.dumps({"blob": SIMPLE.decode(), "s": {1}}, 4),
    "in base64": pickle.dumps({"blob": base64.b64encode(b"\x80\x04" + SIMPLE), "s": {1}}, 4),
    "in bytes without a name beside them": pickle.dumps({"blob": b"\x80\x02" + SIMPLE}, 4),
}
"""The same behind a compression or inside another pickle."""
