"""Takes the attributes of rules from BUILD files through Bazel to the actions, by the table of rules."""

load("//rules/private:checks.bzl", "check")
load("//rules/private:providers.bzl", "ModelInfo", "ModelPackageInfo", "PythonModulesInfo")
load("//rules/private:requests.bzl", "TOOL_ATTRS", "file_label_text", "label_text")
load("//rules/private:table.bzl", "RULES")

# Attributes that Bazel gives every rule, and those for it to act on that it gives test rules.
_COMMON = ["name", "tags"]
_BAZELS_OWN = ["flaky"]

# Bazel gives test rules attributes args, env and timeout, which mean something else.
_BAZEL_NAMES = {"args": "arguments", "env": "variables", "timeout": "seconds"}

_LABEL_DICT = "a dictionary from strings to labels"

# Bazel has no attributes for values of these types: they travel as JSON.
_IN_JSON = ["a dictionary of JSON values", "a list of policy rules", "an integer"]

_PROVIDERS = {
    "model": ModelInfo,
    "model_package": ModelPackageInfo,
    "python_modules": PythonModulesInfo,
}

def rule_attributes(rule):
    """Defines the attributes that a rule has for Bazel.

    Args:
      rule: the name of a rule in BUILD files.

    Returns:
      A dictionary for rule(). Bazel has two attributes for a dictionary of labels: a list of the labels, each
      once, and the index in that list for each key.
    """
    attributes = dict(TOOL_ATTRS)
    for name, row in _rows(rule):
        if row.type == "a label":
            attributes[name] = attr.label(mandatory = row.mandatory, **_allowed(row, "allow_single_file"))
        elif row.type in ("a list of labels", _LABEL_DICT):
            attributes[name] = attr.label_list(mandatory = row.mandatory, **_allowed(row, "allow_files"))
            if row.type == _LABEL_DICT:
                attributes[name + "_indices"] = attr.string_dict()
        elif row.type == "a list of strings":
            attributes[name] = attr.string_list()
        elif row.type == "a dictionary from strings to strings":
            attributes[name] = attr.string_dict()
        else:
            attributes[name] = attr.string(mandatory = row.mandatory)
    return attributes

def rule_arguments(rule, visibility, **values):
    """Checks the types of what a BUILD file gives a rule, and turns it into the arguments that Bazel's rule takes.

    Args:
      rule: the name of a rule in BUILD files.
      visibility: that of the target.
      **values: the other attributes. None stands for the default.

    Returns:
      A dictionary of arguments.
    """
    check(rule, RULES[rule], values)
    arguments = {"name": values["name"], "tags": values["tags"], "visibility": visibility}
    arguments.update({name: values[name] for name in _BAZELS_OWN if name in values})
    for name, row in _rows(rule):
        value = values[row.name]
        if value == None:
            continue
        if row.type in _IN_JSON:
            value = json.encode(value)
        elif row.type == _LABEL_DICT:
            texts = {key: _absolute(label) for key, label in value.items()}
            value = {text: None for text in texts.values()}.keys()
            arguments[name + "_indices"] = {key: str(value.index(text)) for key, text in texts.items()}
        arguments[name] = value
    return arguments

def declare(ctx, rule):
    """Writes down a target for the actions.

    Args:
      ctx: the context of the target.
      rule: the name of its rule in BUILD files.

    Returns:
      A string, JSON: the target's label, rule and attributes, labels as texts.
    """
    attributes = {row.name: _declared(ctx, name, row) for name, row in _rows(rule)}
    return json.encode({"attributes": attributes, "label": label_text(ctx.label), "rule": rule})

def _declared(ctx, name, row):
    value = getattr(ctx.attr, name)
    if row.type in _IN_JSON:
        return json.decode(value) if value else None
    if row.type == "a label":
        return _target_text(value, row) if value else None
    if row.type == "a list of labels":
        if row.suffixes:
            return [file_label_text(file) for file in getattr(ctx.files, name)]
        return [label_text(target.label) for target in value]
    if row.type == _LABEL_DICT:
        texts = [_target_text(target, row) for target in value]
        return {key: texts[int(index)] for key, index in getattr(ctx.attr, name + "_indices").items()}
    return None if value == "" and not row.mandatory else value

def _target_text(target, row):
    return file_label_text(target.files.to_list()[0]) if row.suffixes else label_text(target.label)

def _rows(rule):
    """The rows of a rule, without those that Bazel gives every rule, each with the name that Bazel knows."""
    return [(_BAZEL_NAMES.get(row.name, row.name), row) for row in RULES[rule] if row.name not in _COMMON + _BAZELS_OWN]

def _allowed(row, files):
    """Restricts what labels may name: targets with a provider, or files with a suffix."""
    if row.rules:
        return {"providers": [_PROVIDERS[rule] for rule in row.rules]}
    return {files: True if row.suffixes == [""] else row.suffixes}

def _absolute(label):
    """Spells a label in one way, as far as text alone can tell where Bazel, before 6.1, cannot."""
    if hasattr(native, "package_relative_label"):
        return str(native.package_relative_label(label))
    label = str(label)
    if label.startswith(("//", "@")):
        return label if ":" in label else "%s:%s" % (label, label.rpartition("/")[2])
    return "//%s:%s" % (native.package_name(), label[1:] if label.startswith(":") else label)
