"""Policy rules as values of BUILD files."""

load("//rules/private:checks.bzl", "check")
load("//rules/private:table.bzl", "POLICY_FUNCTIONS")

PolicyRuleInfo = provider(
    doc = "One line of a policy. Made by intern, extern, mock and deny.",
    fields = {
        "allow_empty": "Whether it may match no module.",
        "exclude": "A glob of modules that it is not for, or a list of them.",
        "include": "A glob of modules that it is for, or a list of them.",
        "optional": "Whether code that asks for them can do without; extern alone has it.",
        "policy": "What becomes of them.",
    },
)

def policy_rule(policy, **values):
    """A policy rule, the types of its arguments checked.

    Args:
      policy: intern, extern, mock or deny.
      **values: its arguments by name. None stands for the default.

    Returns:
      A PolicyRuleInfo.
    """
    check(policy, POLICY_FUNCTIONS[policy], values)
    return PolicyRuleInfo(policy = policy, **values)
