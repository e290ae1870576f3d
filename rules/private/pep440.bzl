"""Version specifiers as PEP 440 writes them."""

# What Python takes for blanks, of ASCII.
BLANKS = " \t\n\013\014\r\034\035\036\037"
_DIGITS = "0123456789"
_OPERATORS = ["===", "~=", "==", "!=", "<=", ">=", "<", ">"]
_PRE_RELEASES = ["alpha", "beta", "preview", "pre", "rc", "a", "b", "c"]
_SEPARATORS = "-_."

def is_specifier(text):
    """Whether a text is a list of version specifiers with commas between them.

    Args:
      text: a string of ASCII characters.

    Returns:
      A boolean.
    """
    clauses = [clause.strip(BLANKS) for clause in text.split(",")]
    return not [clause for clause in clauses if clause and not _is_clause(clause)]

def _is_clause(text):
    for operator in _OPERATORS:
        if text.startswith(operator):
            version = text[len(operator):].lstrip(BLANKS).lower()
            if operator == "===":
                return not [c for c in version.elems() if c in BLANKS + ";)"]
            return _is_version(version, operator)
    return False

def _is_version(text, operator):
    """Whether a version may stand behind an operator. Each step takes away what it knows from the left."""
    rest = text[1:] if text.startswith("v") else text
    epoch, mark, behind = rest.partition("!")
    if mark:
        if not epoch or epoch.strip(_DIGITS):
            return False
        rest = behind
    rest, segments = _without_release(rest)
    if not segments or (operator == "~=" and segments < 2):
        return False
    if operator in ("==", "!=") and rest == ".*":
        return True
    rest = _without_part(rest, _PRE_RELEASES)
    if rest[:1] == "-" and rest[1:2] and rest[1:2] in _DIGITS:
        rest = rest[1:].lstrip(_DIGITS)
    else:
        rest = _without_part(rest, ["post", "rev", "r"])
    rest = _without_part(rest, ["dev"])
    return not rest or (operator in ("==", "!=") and _is_local(rest))

def _without_release(text):
    rest = text
    segments = 0
    for _ in range(len(text)):
        number = rest[1:] if segments and rest[:1] == "." else rest
        if (segments and number == rest) or not number or number[0] not in _DIGITS:
            break
        rest = number.lstrip(_DIGITS)
        segments += 1
    return rest, segments

def _without_part(text, words):
    """The text behind one of some words and its number, if it begins with that."""
    rest = text[1:] if text and text[0] in _SEPARATORS else text
    for word in words:
        if rest.startswith(word):
            rest = rest[len(word):]
            return (rest[1:] if rest and rest[0] in _SEPARATORS else rest).lstrip(_DIGITS)
    return text

def _is_local(text):
    labels = text[1:].replace("-", ".").replace("_", ".").split(".")
    return text.startswith("+") and not [
        label
        for label in labels
        if not label or [c for c in label.elems() if not c.isalnum()]
    ]
