"""What strings of an attribute must look like, in the words of hermpkg's own engine.

Bazel takes BUILD files for Latin-1. So what depends on a letter beyond ASCII is left to the actions, which see
the text as it was written: here it passes.
"""

load("//rules/private:pep440.bzl", "BLANKS", "is_specifier")

# How errors name each form.
FORMS = {
    "DISTRIBUTION": "the name of a distribution, such as torch",
    "FACTORY": "module:function, such as models.resnet:resnet18",
    "FILES": "one of \"auto\", \"real\" and \"mangled\"",
    "MODULE": "a dotted module name, such as models.resnet",
    "MODULE_GLOB": "a glob over dotted module names, such as models.** or torch.*.fx",
    "OUTPUT": "a path inside the package's output folder, such as resnet.pt",
    "PICKLE": "a folder and a name inside the artifact, such as model/model.pkl",
    "PYTHON_VERSION": "a Python version, such as 3.11",
    "RECORD": "a path inside the artifact, such as config/words.txt",
    "SPECIFIER": "a PEP 440 version specifier, such as >=2.4,<3",
    "TAG": "a word without blanks",
    "VARIABLE": "the name of an environment variable, such as OMP_NUM_THREADS",
}

_DIGITS = "0123456789"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DELETE = "\177"

# Each at the place of its number.
_CONTROLS = "\000\001\002\003\004\005\006\007\010\011\012\013\014\015\016\017\020\021\022\023\024\025\026\027\030\031\032\033\034\035\036\037"
_ESCAPES = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\", _DELETE: "\\x7f"}
_HEX_DIGITS = "0123456789abcdef"
_KEYWORDS = [
    "False",
    "None",
    "True",
    "and",
    "as",
    "assert",
    "async",
    "await",
    "break",
    "class",
    "continue",
    "def",
    "del",
    "elif",
    "else",
    "except",
    "finally",
    "for",
    "from",
    "global",
    "if",
    "import",
    "in",
    "is",
    "lambda",
    "nonlocal",
    "not",
    "or",
    "pass",
    "raise",
    "return",
    "try",
    "while",
    "with",
    "yield",
]
_PATHS = ["OUTPUT", "PICKLE", "RECORD"]
_RESERVED_FOLDERS = [".data", "byteorder"]

def quoted(text):
    """A string as Python shows it.

    Args:
      text: a string.

    Returns:
      A string.
    """
    escaped = "".join([_escaped(character) for character in text.elems()])
    if "'" in text and "\"" not in text:
        return "\"%s\"" % escaped
    return "'%s'" % escaped.replace("'", "\\'")

def _escaped(character):
    if character in _ESCAPES:
        return _ESCAPES[character]
    number = _CONTROLS.find(character)
    return character if number < 0 else "\\x" + _HEX_DIGITS[number // 16] + _HEX_DIGITS[number % 16]

def problem_with(form, text):
    """What is wrong with a string.

    Args:
      form: a key of FORMS.
      text: a string.

    Returns:
      A string, the end of a sentence; "" where nothing is wrong.
    """
    if not text:
        return "is empty"
    if form in _PATHS:
        return _path_problem(text) or (_record_problem(text, form) if form != "OUTPUT" else "")
    if form == "MODULE_GLOB":
        return _module_glob_problem(text)
    if form == "TAG":
        return "has a blank" if [c for c in text.elems() if c in BLANKS] else ""
    return "" if _IS[form](text) else "is not " + FORMS[form]

def is_identifier(text):
    """Whether a string can be a name in Python; keywords can.

    Args:
      text: a string.

    Returns:
      A boolean.
    """
    return bool(text) and text[0] not in _DIGITS and _has_only(text, _LETTERS + _DIGITS + "_")

def _has_only(text, characters):
    """Whether all that is ASCII in a text is among some characters."""
    return not [c for c in text.elems() if c not in characters and not _is_beyond_ascii(c)]

def _is_beyond_ascii(character):
    return character > _DELETE

def _is_ascii(text):
    return not [c for c in text.elems() if _is_beyond_ascii(c)]

def _is_module(text):
    return not [part for part in text.split(".") if not is_identifier(part) or part in _KEYWORDS]

def _is_factory(text):
    module, colon, function = text.partition(":")
    return colon and _is_module(module) and _is_module(function)

def _is_distribution(text):
    return _has_only(text, _LETTERS + _DIGITS + "._-") and text[0] not in "._-" and text[-1] not in "._-"

def _is_variable(text):
    return is_identifier(text)

def _is_files(text):
    return text in ("auto", "real", "mangled")

def _is_version_specifier(text):
    return not _is_ascii(text) or is_specifier(text)

def _is_python_version(text):
    parts = text.split(".")
    return parts[0] == "3" and len(parts) in (2, 3) and not [
        part
        for part in parts
        if not part or part.strip(_DIGITS)
    ]

_IS = {
    "DISTRIBUTION": _is_distribution,
    "FACTORY": _is_factory,
    "FILES": _is_files,
    "MODULE": _is_module,
    "PYTHON_VERSION": _is_python_version,
    "SPECIFIER": _is_version_specifier,
    "VARIABLE": _is_variable,
}

def _module_glob_problem(text):
    for segment in text.split("."):
        if "**" in segment and segment != "**":
            return "has ** as a part of the segment %s: it can only be a whole one" % quoted(segment)
        if not segment or not _has_only(segment, _LETTERS + _DIGITS + "_*"):
            return "is not " + FORMS["MODULE_GLOB"]
    return ""

def _path_problem(text):
    if text.startswith("/"):
        return "is an absolute path"
    if "\\" in text:
        return "has a backslash; the separator is / everywhere"
    if [c for c in text.elems() if c < " " or c == _DELETE]:
        return "has a control character"
    for segment in text.split("/"):
        if segment in ("", ".", ".."):
            return "has the segment " + quoted(segment)
    return ""

def _record_problem(text, form):
    first, slash, _ = text.partition("/")
    if first in _RESERVED_FOLDERS:
        return "is in %s, which the format keeps for itself" % first
    return "is not " + FORMS[form] if form == "PICKLE" and not slash else ""
