"""Checks what BUILD files give for attributes, in the words of hermpkg's own engine."""

load("//rules/private:forms.bzl", "is_identifier", "problem_with", "quoted")
load("//rules/private:table.bzl", "TABLE")

# Integers of BUILD files have 64 bits, and those among JSON values no more than Python prints.
_SEED_LIMIT = 1 << 63
_JSON_LIMIT = int("1" + "0" * 1024, 16)

# How deep JSON values may be nested: Starlark has no loop without an end.
_JSON_DEPTH = 1000

def check(function, values):
    """Fails, with all that is wrong, if a call has values that its attributes cannot hold.

    Args:
      function: the name of a rule or policy function.
      values: what it was given, by the attribute's name. None stands for the default; what select() gave
        is known later only.
    """
    problems = []
    for name, row in TABLE[function].items():
        value = values[name]
        if type(value) == "select" or (value == None and not row["mandatory"]):
            continue
        found = ["expected %s, got None" % row["type"]] if value == None else _CHECKS[row["type"]](row, value)
        problems += [
            "%s() attribute %s%s" % (function, name, problem if problem[0] == "[" else ": " + problem)
            for problem in found
        ]
    if problems:
        fail("\n".join(problems))

def _mismatch(expected, value, path = ""):
    return ["%s%sexpected %s, got %s" % (path, ": " if path else "", expected, _type(value))]

def _type(value):
    if hasattr(value, "policy") and hasattr(value, "include"):
        return "the policy rule " + _rule_text(value)
    return type(value)

def _rule_text(rule):
    patterns = ["\"%s\"" % pattern for pattern in rule.include]
    more = ["\"%s\"" % pattern for pattern in rule.exclude]
    return "%s(%s%s%s)" % (
        rule.policy,
        patterns[0] if len(patterns) == 1 else "[%s]" % ", ".join(patterns),
        ", exclude = " + (more[0] if len(more) == 1 else "[%s]" % ", ".join(more)) if more else "",
        ", allow_empty = True" if rule.allow_empty else "",
    )

def _at(key):
    return "[%s]" % (quoted(key) if type(key) == "string" else key)

def _string(value, path, form):
    if type(value) != "string":
        return _mismatch("a string", value, path)
    problem = problem_with(form, value) if form else ""
    return ["%s%s%s %s" % (path, ": " if path else "", quoted(value), problem)] if problem else []

def _label(value, path, _form = None):
    return [] if type(value) in ("string", "Label") else _mismatch("a label", value, path)

def _each(row, value, check_item):
    if type(value) not in ("list", "tuple"):
        return _mismatch(row["type"], value)
    problems = []
    for index, item in enumerate(value):
        problems += check_item(item, _at(index), row["form"])
    return problems

def _entries(row, value, check_item):
    if type(value) != "dict":
        return _mismatch(row["type"], value)
    problems = []
    for key, item in value.items():
        problems += _string(key, _at(key), row["key_form"])
        problems += check_item(item, _at(key), row["form"])
    return problems

def _check_string(row, value):
    return _string(value, "", row["form"])

def _check_integer(row, value):
    if type(value) != "int":
        return _mismatch(row["type"], value)
    problems = []
    if row["form"] == "POSITIVE" and value <= 0:
        problems.append("%s is not a positive number" % value)
    if value < -_SEED_LIMIT or value >= _SEED_LIMIT:
        problems.append("%s does not fit into 64 bits" % value)
    return problems

def _check_boolean(row, value):
    return [] if type(value) == "bool" else _mismatch(row["type"], value)

def _check_strings(row, value):
    return _each(row, value, _string)

def _check_string_or_strings(row, value):
    return _string(value, "", row["form"]) if type(value) == "string" else _check_strings(row, value)

def _check_label(_row, value):
    return _label(value, "")

def _check_labels(row, value):
    return _each(row, value, _label)

def _check_label_dict(row, value):
    return _entries(row, value, _label)

def _check_string_dict(row, value):
    return _entries(row, value, _string)

def _check_policy(row, value):
    return _each(row, value, _check_policy_rule)

def _check_policy_rule(item, path, _form):
    if hasattr(item, "policy") and hasattr(item, "include"):
        return []
    step = "\n  -> write intern(\"%s\"), extern(...), mock(...) or deny(...)" % item if type(item) == "string" else ""
    return [problem + step for problem in _mismatch("a policy rule", item, path)]

def _check_json_dict(row, value):
    problems = []
    if type(value) == "dict":
        problems += [
            "%s: %s cannot be the name of an argument" % (_at(key), quoted(key))
            for key in value
            if type(key) == "string" and key and not is_identifier(key)
        ]
    else:
        return _mismatch(row["type"], value)
    level = [("", value)]
    for _ in range(_JSON_DEPTH):
        below = []
        for path, item in level:
            below += _json_parts(path, item, problems)
        level = below
    if level:
        problems.append("%s: more than %d levels deep" % (level[0][0], _JSON_DEPTH))
    return problems

def _json_parts(path, value, problems):
    """What a JSON value is made of, each with its path; to the problems is added what makes it none."""
    kind = type(value)
    if kind == "dict":
        for key in value:
            if type(key) != "string":
                problems += _mismatch("a string as a key" if path else "a string", key, path + _at(key))
        return [(path + _at(key), item) for key, item in value.items()]
    if kind in ("list", "tuple"):
        return [(path + _at(index), item) for index, item in enumerate(value)]
    if kind == "float" and str(value) in ("nan", "+inf", "-inf", "inf"):
        problems.append("%s: %s is no JSON value" % (path, str(value).lstrip("+")))
    elif kind == "int" and (value >= _JSON_LIMIT or value <= -_JSON_LIMIT):
        problems.append("%s: an integer of more than 4096 bits" % path)
    elif kind not in ("NoneType", "bool", "float", "int", "string"):
        problems += _mismatch("a JSON value", value, path)
    return []

_CHECKS = {
    "a boolean": _check_boolean,
    "a dictionary from strings to labels": _check_label_dict,
    "a dictionary from strings to strings": _check_string_dict,
    "a dictionary of JSON values": _check_json_dict,
    "a label": _check_label,
    "a list of labels": _check_labels,
    "a list of policy rules": _check_policy,
    "a list of strings": _check_strings,
    "a string": _check_string,
    "a string or a list of strings": _check_string_or_strings,
    "an integer": _check_integer,
}
