"""Policy rules as values of BUILD files."""

load("//rules/private:checks.bzl", "check")

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
    """A policy rule, its arguments checked.

    Args:
      policy: intern, extern, mock or deny.
      include: a glob over dotted module names, or a list of them.
      exclude: the same.
      allow_empty: a boolean.

    Returns:
      A PolicyRuleInfo.
    """
    check(policy, {"allow_empty": allow_empty, "exclude": exclude, "include": include})
    if not include:
        fail("%s() is for no module: include is empty" % policy)
    return PolicyRuleInfo(
        allow_empty = allow_empty or False,
        exclude = _globs(exclude or []),
        include = _globs(include),
        policy = policy,
    )

def encode_policy(rules):
    """Policy rules as texts, which attributes can hold.

    Args:
      rules: a list of what policy_rule gave.

    Returns:
      A list of strings, each a JSON object.
    """
    return [
        json.encode({
            "allow_empty": rule.allow_empty,
            "exclude": rule.exclude,
            "include": rule.include,
            "policy": rule.policy,
        })
        for rule in rules
    ]

def _globs(value):
    return [value] if type(value) == "string" else list(value)
