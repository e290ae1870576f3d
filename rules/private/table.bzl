"""What each rule and policy function may be given. Written by `python rules/make_defs.py` from hermpkg_build/loading/rules.py."""

POLICY_FUNCTIONS = {
    "deny": [
        struct(name = "include", type = "a string or a list of strings", mandatory = True, rules = [], suffixes = []),
        struct(name = "exclude", type = "a string or a list of strings", mandatory = False, rules = [], suffixes = []),
        struct(name = "allow_empty", type = "a boolean", mandatory = False, rules = [], suffixes = []),
    ],
    "extern": [
        struct(name = "include", type = "a string or a list of strings", mandatory = True, rules = [], suffixes = []),
        struct(name = "exclude", type = "a string or a list of strings", mandatory = False, rules = [], suffixes = []),
        struct(name = "allow_empty", type = "a boolean", mandatory = False, rules = [], suffixes = []),
        struct(name = "optional", type = "a boolean", mandatory = False, rules = [], suffixes = []),
    ],
    "intern": [
        struct(name = "include", type = "a string or a list of strings", mandatory = True, rules = [], suffixes = []),
        struct(name = "exclude", type = "a string or a list of strings", mandatory = False, rules = [], suffixes = []),
        struct(name = "allow_empty", type = "a boolean", mandatory = False, rules = [], suffixes = []),
    ],
    "mock": [
        struct(name = "include", type = "a string or a list of strings", mandatory = True, rules = [], suffixes = []),
        struct(name = "exclude", type = "a string or a list of strings", mandatory = False, rules = [], suffixes = []),
        struct(name = "allow_empty", type = "a boolean", mandatory = False, rules = [], suffixes = []),
    ],
}

RULES = {
    "model": [
        struct(name = "name", type = "a string", mandatory = True, rules = [], suffixes = []),
        struct(name = "factory", type = "a string", mandatory = True, rules = [], suffixes = []),
        struct(name = "args", type = "a dictionary of JSON values", mandatory = False, rules = [], suffixes = []),
        struct(name = "seed", type = "an integer", mandatory = False, rules = [], suffixes = []),
        struct(name = "weights", type = "a label", mandatory = False, rules = [], suffixes = [""]),
        struct(name = "weights_key", type = "a string", mandatory = False, rules = [], suffixes = []),
        struct(name = "weights_prefix", type = "a string", mandatory = False, rules = [], suffixes = []),
        struct(name = "cpu", type = "a string", mandatory = False, rules = [], suffixes = []),
        struct(name = "deps", type = "a list of labels", mandatory = False, rules = ["python_modules"], suffixes = []),
        struct(name = "tags", type = "a list of strings", mandatory = False, rules = [], suffixes = []),
    ],
    "model_package": [
        struct(name = "name", type = "a string", mandatory = True, rules = [], suffixes = []),
        struct(name = "models", type = "a dictionary from strings to labels", mandatory = False, rules = ["model"], suffixes = []),
        struct(name = "modules", type = "a list of strings", mandatory = False, rules = [], suffixes = []),
        struct(name = "resources", type = "a dictionary from strings to labels", mandatory = False, rules = [], suffixes = [""]),
        struct(name = "sources", type = "a dictionary from strings to strings", mandatory = False, rules = [], suffixes = []),
        struct(name = "policy", type = "a list of policy rules", mandatory = False, rules = [], suffixes = []),
        struct(name = "requires", type = "a dictionary from strings to strings", mandatory = False, rules = [], suffixes = []),
        struct(name = "files", type = "a string", mandatory = False, rules = [], suffixes = []),
        struct(name = "installed_files", type = "a list of strings", mandatory = False, rules = [], suffixes = []),
        struct(name = "environment", type = "a label", mandatory = False, rules = [], suffixes = [""]),
        struct(name = "out", type = "a string", mandatory = False, rules = [], suffixes = []),
        struct(name = "python_version", type = "a string", mandatory = False, rules = [], suffixes = []),
        struct(name = "deps", type = "a list of labels", mandatory = False, rules = ["python_modules"], suffixes = []),
        struct(name = "tags", type = "a list of strings", mandatory = False, rules = [], suffixes = []),
    ],
    "package_test": [
        struct(name = "name", type = "a string", mandatory = True, rules = [], suffixes = []),
        struct(name = "package", type = "a label", mandatory = True, rules = ["model_package"], suffixes = []),
        struct(name = "main", type = "a label", mandatory = True, rules = [], suffixes = [".py"]),
        struct(name = "args", type = "a list of strings", mandatory = False, rules = [], suffixes = []),
        struct(name = "env", type = "a dictionary from strings to strings", mandatory = False, rules = [], suffixes = []),
        struct(name = "timeout", type = "an integer", mandatory = False, rules = [], suffixes = []),
        struct(name = "flaky", type = "a boolean", mandatory = False, rules = [], suffixes = []),
        struct(name = "data", type = "a list of labels", mandatory = False, rules = [], suffixes = [""]),
        struct(name = "deps", type = "a list of labels", mandatory = False, rules = ["python_modules"], suffixes = []),
        struct(name = "tags", type = "a list of strings", mandatory = False, rules = [], suffixes = []),
    ],
    "python_modules": [
        struct(name = "name", type = "a string", mandatory = True, rules = [], suffixes = []),
        struct(name = "srcs", type = "a list of labels", mandatory = True, rules = [], suffixes = [".py"]),
        struct(name = "resources", type = "a list of labels", mandatory = False, rules = [], suffixes = [""]),
        struct(name = "deps", type = "a list of labels", mandatory = False, rules = ["python_modules"], suffixes = []),
        struct(name = "tags", type = "a list of strings", mandatory = False, rules = [], suffixes = []),
    ],
}
