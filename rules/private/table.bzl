"""What each rule and function may be given, as far as Bazel does not say it better itself.

A row is for one attribute: its type, whether it must be given, and the forms of its strings and of a dictionary's
keys. The names of targets and of packages that may see them are Bazel's own.
"""

def _row(type, form = None, key_form = None, mandatory = False):
    return {"form": form, "key_form": key_form, "mandatory": mandatory, "type": type}

_NAME = _row("a string", mandatory = True)
_DEPS = _row("a list of labels")
_TAGS = _row("a list of strings", form = "TAG")
_POLICY_FUNCTION = {
    "allow_empty": _row("a boolean"),
    "exclude": _row("a string or a list of strings", form = "MODULE_GLOB"),
    "include": _row("a string or a list of strings", form = "MODULE_GLOB", mandatory = True),
}

TABLE = {
    "deny": _POLICY_FUNCTION,
    "extern": _POLICY_FUNCTION,
    "intern": _POLICY_FUNCTION,
    "mock": _POLICY_FUNCTION,
    "model": {
        "args": _row("a dictionary of JSON values"),
        "deps": _DEPS,
        "factory": _row("a string", form = "FACTORY", mandatory = True),
        "name": _NAME,
        "seed": _row("an integer"),
        "tags": _TAGS,
        "weights": _row("a label"),
    },
    "model_package": {
        "deps": _DEPS,
        "files": _row("a string", form = "FILES"),
        "models": _row("a dictionary from strings to labels", key_form = "PICKLE"),
        "modules": _row("a list of strings", form = "MODULE"),
        "name": _NAME,
        "out": _row("a string", form = "OUTPUT"),
        "policy": _row("a list of policy rules"),
        "python_version": _row("a string", form = "PYTHON_VERSION"),
        "requires": _row("a dictionary from strings to strings", form = "SPECIFIER", key_form = "DISTRIBUTION"),
        "resources": _row("a dictionary from strings to labels", key_form = "RECORD"),
        "sources": _row("a dictionary from strings to strings", key_form = "MODULE"),
        "tags": _TAGS,
    },
    "package_test": {
        "args": _row("a list of strings"),
        "deps": _DEPS,
        "env": _row("a dictionary from strings to strings", key_form = "VARIABLE"),
        "main": _row("a label", mandatory = True),
        "name": _NAME,
        "package": _row("a label", mandatory = True),
        "tags": _TAGS,
        "timeout": _row("an integer", form = "POSITIVE"),
    },
    "python_modules": {
        "deps": _DEPS,
        "name": _NAME,
        "resources": _row("a list of labels"),
        "srcs": _row("a list of labels", mandatory = True),
        "tags": _TAGS,
    },
}
