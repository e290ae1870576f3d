"""The attributes of rules on their way from BUILD files through Bazel to the actions, as the table has them."""

load("//rules/private:checks.bzl", "check")
load("//rules/private:providers.bzl", "ModelInfo", "ModelPackageInfo", "PythonModulesInfo")
load("//rules/private:requests.bzl", "TOOL_ATTRS", "file_label_text", "label_text")
load("//rules/private:table.bzl", "RULES")

# Attributes that Bazel gives every rule.
_COMMON = ["name", "tags"]

# A test rule has args, env and timeout of its own, which mean something else.
_BAZEL_NAMES = {"args": "arguments", "env": "variables", "timeout": "seconds"}

_LABEL_DICT = "a dictionary from strings to labels"

# Values that Bazel has no attributes for travel as JSON.
_IN_JSON = ["a dictionary of JSON values", "a list of policy rules", "an integer"]

_PROVIDERS = {
    "model": ModelInfo,
    "model_package": ModelPackageInfo,
    "python_modules": PythonModulesInfo,
}

def rule_attributes(rule):
    """The attributes of a rule of Bazel's.

    Args:
      rule: the name of a rule in BUILD files.

    Returns:
      A dictionary. A dictionary of labels is two attributes: the labels, each once, and the place of each key's
      label among them.
    """
    attributes = dict(TOOL_ATTRS)
    for name, row in _rows(rule):
        if row.type == "a label":
            attributes[name] = attr.label(mandatory = row.mandatory, **_allowed(row, "allow_single_file"))
        elif row.type in ("a list of labels", _LABEL_DICT):
            attributes[name] = attr.label_list(mandatory = row.mandatory, **_allowed(row, "allow_files"))
            if row.type == _LABEL_DICT:
                attributes[name + "_places"] = attr.string_dict()
        elif row.type == "a list of strings":
            attributes[name] = attr.string_list()
        elif row.type == "a dictionary from strings to strings":
            attributes[name] = attr.string_dict()
        else:
            attributes[name] = attr.string(mandatory = row.mandatory)
    return attributes

def rule_arguments(rule, visibility, **values):
    """What a rule of Bazel's is given for a call in a BUILD file. Fails for values of other types.

    Args:
      rule: the name of a rule in BUILD files.
      visibility: that of the target.
      **values: the other attributes. None stands for the default.

    Returns:
      A dictionary, the arguments of the rule of Bazel's.
    """
    check(rule, RULES[rule], values)
    arguments = {"name": values["name"], "tags": values["tags"], "visibility": visibility}
    for name, row in _rows(rule):
        value = values[row.name]
        if value == None:
            continue
        if row.type in _IN_JSON:
            value = json.encode(value)
        elif row.type == _LABEL_DICT:
            texts = {key: _absolute(label) for key, label in value.items()}
            value = {text: None for text in texts.values()}.keys()
            arguments[name + "_places"] = {key: str(value.index(text)) for key, text in texts.items()}
        arguments[name] = value
    return arguments

def declare(ctx, rule):
    """A target as hermpkg reads it.

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
        return {key: texts[int(place)] for key, place in getattr(ctx.attr, name + "_places").items()}
    return None if value == "" and not row.mandatory else value

def _target_text(target, row):
    return file_label_text(target.files.to_list()[0]) if row.suffixes else label_text(target.label)

def _rows(rule):
    """The rows of a rule that are no attributes of every rule, each with its attribute's name for Bazel."""
    return [(_BAZEL_NAMES.get(row.name, row.name), row) for row in RULES[rule] if row.name not in _COMMON]

def _allowed(row, files):
    """What labels may name."""
    if row.rules:
        return {"providers": [_PROVIDERS[rule] for rule in row.rules]}
    return {files: True if row.suffixes == [""] else row.suffixes}

def _absolute(label):
    """The label with one spelling, as far as text alone can tell."""
    label = str(label)
    if label.startswith(("//", "@")):
        return label if ":" in label else "%s:%s" % (label, label.rpartition("/")[2])
    return "//%s:%s" % (native.package_name(), label[1:] if label.startswith(":") else label)
