"""Checks the types of attributes in BUILD files, in the words of hermpkg's own engine.

The first action of a target checks the forms of its strings, with the code of that engine.
"""

_ITEMS = {
    "a dictionary from strings to labels": "a label",
    "a dictionary from strings to strings": "a string",
    "a list of labels": "a label",
    "a list of policy rules": "a policy rule",
    "a list of strings": "a string",
    "a string or a list of strings": "a string",
}
_KINDS = {
    "a boolean": ["bool"],
    "a label": ["Label", "string"],
    "a policy rule": ["a policy rule"],
    "a string": ["string"],
    "a string or a list of strings": ["list", "string", "tuple"],
    "an integer": ["int"],
}

# Integers among JSON values have no more bits than Python prints.
_JSON_LIMIT = int("1" + "0" * 1024, 16)

# How deep JSON values may be nested: Starlark has no loop without an end.
_JSON_DEPTH = 1000

def check(function, rows, values):
    """Fails with all problems if values have other types than their attributes.

    Args:
      function: the name of a rule or policy function.
      rows: its rows of the table.
      values: the values by the attribute's name. None stands for the default. A select() passes: its value
        is not known yet.
    """
    problems = []
    for row in rows:
        value = values[row.name]
        if type(value) == "select" or (value == None and not row.mandatory):
            continue
        found = problems_with(row.type, value) if value != None else [": expected %s, got None" % row.type]
        if row.name == "tags" and not found:
            found = [
                "[%d]: '%s' has a blank" % (index, repr(tag)[1:-1])
                for index, tag in enumerate(value)
                if [character for character in tag.elems() if character.isspace()]
            ]
        elif value == "" and row.type == "a string" and not row.mandatory:
            # An attribute of Bazel's does not tell it from None.
            found = [": '' is empty"]
        problems += ["%s() attribute %s%s" % (function, row.name, problem) for problem in found]
    if problems:
        fail("\n".join(problems))

def problems_with(expected, value):
    """Finds the parts of a value that have another type than expected.

    Args:
      expected: a type of the table.
      value: any value.

    Returns:
      A list of strings, each the path of a part and the problem.
    """
    is_dict = type(value) == "dict"
    if expected == "a dictionary of JSON values":
        return _json_problems(value) if is_dict else [_mismatch("", expected, value)]
    item = _ITEMS.get(expected)
    kinds = _KINDS.get(expected) or (["dict"] if expected.startswith("a dictionary") else ["list", "tuple"])
    if _kind(value) not in kinds:
        return [_mismatch("", expected, value)]
    if not item or type(value) == "string":
        return []
    problems = []
    for key, part in value.items() if is_dict else enumerate(value):
        if is_dict and type(key) != "string":
            problems.append(_mismatch(_at(key), "a string", key))
        if _kind(part) not in _KINDS[item]:
            problems.append(_mismatch(_at(key), item, part))
            if item == "a policy rule" and type(part) == "string":
                problems[-1] += "\n  -> write intern(\"%s\"), extern(...), mock(...) or deny(...)" % part
    return problems

def _json_problems(value):
    problems = []
    level = [("", value)]
    for _ in range(_JSON_DEPTH):
        below = []
        for path, part in level:
            kind = type(part)
            if kind == "dict":
                expected = "a string as a key" if path else "a string"
                problems += [_mismatch(path + _at(key), expected, key) for key in part if type(key) != "string"]
                below += [(path + _at(key), item) for key, item in part.items()]
            elif kind in ("list", "tuple"):
                below += [(path + _at(index), item) for index, item in enumerate(part)]
            elif kind == "float" and str(part) in ("nan", "+inf", "-inf", "inf"):
                problems.append("%s: %s is not a JSON value" % (path, str(part).lstrip("+")))
            elif kind == "int" and (part >= _JSON_LIMIT or part <= -_JSON_LIMIT):
                problems.append(path + ": an integer of more than 4096 bits")
            elif kind not in ("NoneType", "bool", "float", "int", "string"):
                problems.append(_mismatch(path, "a JSON value", part))
        level = below
    if level:
        problems.append("%s: more than %d levels deep" % (level[0][0], _JSON_DEPTH))
    return problems

def _mismatch(path, expected, value):
    return "%s: expected %s, got %s" % (path, expected, _kind(value))

def _kind(value):
    return "a policy rule" if hasattr(value, "policy") and hasattr(value, "include") else type(value)

def _at(key):
    return "['%s']" % key if type(key) == "string" else "[%s]" % str(key)
