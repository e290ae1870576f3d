"""Policy rules as values of BUILD files."""

PolicyRuleInfo = provider(
    doc = "One line of a policy. Made by intern, extern, mock and deny.",
    fields = {
        "allow_empty": "Whether it may match no module.",
        "exclude": "Globs of modules that it is not for.",
        "include": "Globs of modules that it is for.",
        "policy": "What becomes of them.",
    },
)

def policy_rule(policy, include, exclude, allow_empty):
    """A policy rule, its arguments checked as far as their types go.

    Args:
      policy: intern, extern, mock or deny.
      include: a glob over dotted module names, or a list of them.
      exclude: the same.
      allow_empty: a boolean.

    Returns:
      A PolicyRuleInfo.
    """
    if type(allow_empty) != "bool":
        fail("%s(), allow_empty: expected a boolean, got %s" % (policy, type(allow_empty)))
    return PolicyRuleInfo(
        allow_empty = allow_empty,
        exclude = _globs(policy, "exclude", exclude),
        include = _globs(policy, "include", include),
        policy = policy,
    )

def encode_policy(rules):
    """Policy rules as texts, which attributes can hold.

    Args:
      rules: a list of what policy_rule gave.

    Returns:
      A list of strings, each a JSON object.
    """
    encoded = []
    for rule in rules:
        if not hasattr(rule, "policy"):
            fail("policy: expected a policy rule, got %s: write intern(...), extern(...), mock(...) or deny(...)" %
                 repr(rule))
        encoded.append(json.encode({
            "allow_empty": rule.allow_empty,
            "exclude": rule.exclude,
            "include": rule.include,
            "policy": rule.policy,
        }))
    return encoded

def _globs(policy, name, value):
    globs = [value] if type(value) == "string" else value
    if type(globs) not in ("list", "tuple") or [glob for glob in globs if type(glob) != "string"]:
        fail("%s(), %s: expected a string or a list of strings, got %s" % (policy, name, repr(value)))
    return list(globs)
