"""The rules of BUILD files, for Bazel: what hermpkg's own engine has built in.

    load("@hermpkg//rules:defs.bzl", "deny", "intern", "model", "model_package", "python_modules")
"""

load("//rules/private:checks.bzl", "check")
load("//rules/private:model.bzl", _model = "model")
load("//rules/private:model_package.bzl", _model_package = "model_package")
load("//rules/private:modules.bzl", _python_modules = "python_modules")
load("//rules/private:package_test.bzl", _package_test = "package_test")
load("//rules/private:policy.bzl", "encode_policy", "policy_rule")

# How long Bazel lets a test of each kind run, in seconds.
_TEST_TIMEOUTS = {
    "eternal": 3600,
    "long": 900,
    "moderate": 300,
    "short": 60,
}

def intern(include, exclude = [], allow_empty = False):
    """Packs the modules' source.

    Args:
      include: Modules that the rule is for.
      exclude: Modules that it is not for.
      allow_empty: Whether a rule that matches no module is allowed.

    Returns:
      A policy rule.
    """
    return policy_rule("intern", include, exclude, allow_empty)

def extern(include, exclude = [], allow_empty = False):
    """Leaves the modules to the environment that loads the artifact.

    Args:
      include: Modules that the rule is for.
      exclude: Modules that it is not for.
      allow_empty: Whether a rule that matches no module is allowed.

    Returns:
      A policy rule.
    """
    return policy_rule("extern", include, exclude, allow_empty)

def mock(include, exclude = [], allow_empty = False):
    """Replaces the modules by stubs that fail when they are used.

    Args:
      include: Modules that the rule is for.
      exclude: Modules that it is not for.
      allow_empty: Whether a rule that matches no module is allowed.

    Returns:
      A policy rule.
    """
    return policy_rule("mock", include, exclude, allow_empty)

def deny(include, exclude = [], allow_empty = False):
    """Refuses the modules: needing one is an error.

    Args:
      include: Modules that the rule is for.
      exclude: Modules that it is not for.
      allow_empty: Whether a rule that matches no module is allowed.

    Returns:
      A policy rule.
    """
    return policy_rule("deny", include, exclude, allow_empty)

def python_modules(name, srcs, resources = [], deps = [], visibility = None, tags = []):
    """Python source files, each of which becomes a module target.

    Args:
      name: The target's name, unique in its package.
      srcs: Source files of this package. `a/b.py` below a source root is the module `a.b`.
      resources: Data files that the modules read at run time, packed beside them.
      deps: The `python_modules` targets whose modules this target may use.
      visibility: The packages that may depend on the target. The default is that of `package()`, else
        private.
      tags: Free words. `manual` keeps the target out of `:all` and `...`.
    """
    check("python_modules", {
        "deps": deps,
        "name": name,
        "resources": resources,
        "srcs": srcs,
        "tags": tags,
    })
    _python_modules(
        name = name,
        srcs = srcs,
        resources = resources,
        tags = tags,
        visibility = visibility,
        deps = deps,
    )

def model(name, factory, args = {}, seed = 0, weights = None, deps = [], visibility = None, tags = []):
    """A model object: what a factory function returns, run in a process of its own.

    Args:
      name: The target's name, unique in its package.
      factory: The function that makes the model, as `module:function`.
      args: Keyword arguments of the factory.
      seed: The seed of torch's, numpy's and Python's random numbers.
      weights: A file of tensors for `load_state_dict`: `.safetensors`, or what `torch.save` wrote.
      deps: The `python_modules` targets whose modules this target may use.
      visibility: The packages that may depend on the target. The default is that of `package()`, else
        private.
      tags: Free words. `manual` keeps the target out of `:all` and `...`.
    """
    check("model", {
        "args": args,
        "deps": deps,
        "factory": factory,
        "name": name,
        "seed": seed,
        "tags": tags,
        "weights": weights,
    })
    _model(
        name = name,
        arguments = json.encode(args or {}),
        factory = factory,
        seed = json.encode(seed or 0),
        tags = tags,
        visibility = visibility,
        weights = weights,
        deps = deps,
    )

def model_package(
        name,
        models = {},
        modules = [],
        resources = {},
        sources = {},
        policy = [],
        requires = {},
        files = "auto",
        out = None,
        python_version = None,
        deps = [],
        visibility = None,
        tags = []):
    """An artifact: models, the code they need, and resources, in one file.

    Args:
      name: The target's name, unique in its package.
      models: The pickles of the artifact and the models that they hold.
      modules: Modules to pack beside those that the models need.
      resources: Files of the artifact and the workspace files that they are copies of.
      sources: Modules written here, name and source text. `a.__init__` makes `a` a package.
      policy: What becomes of each module; the first rule that matches it decides.
      requires: Versions of installed distributions that the artifact accepts where it is loaded.
      files: What packed code finds in `__file__`: `real` paths, `mangled` names, or with `auto` real paths
        where the code asks for its place.
      out: The artifact's file name. The default is the target's name with `.pt`.
      python_version: The Python version to record. The default is that of the building interpreter.
      deps: The `python_modules` targets whose modules this target may use.
      visibility: The packages that may depend on the target. The default is that of `package()`, else
        private.
      tags: Free words. `manual` keeps the target out of `:all` and `...`.
    """
    check("model_package", {
        "deps": deps,
        "files": files,
        "models": models,
        "modules": modules,
        "name": name,
        "out": out,
        "policy": policy,
        "python_version": python_version,
        "requires": requires,
        "resources": resources,
        "sources": sources,
        "tags": tags,
    })
    model_records = _absolute_values(models or {})
    resource_records = _absolute_values(resources or {})
    model_texts = _unique(model_records.values())
    resource_texts = _unique(resource_records.values())
    _model_package(
        name = name,
        out = out or name + ".pt",
        files = files or "auto",
        model_records = model_records,
        model_texts = model_texts,
        models = model_texts,
        modules = modules,
        policy = encode_policy(policy or []),
        python_version = python_version,
        requires = requires,
        resource_records = resource_records,
        resource_texts = resource_texts,
        resources = resource_texts,
        sources = sources,
        tags = tags,
        visibility = visibility,
        deps = deps,
    )

def package_test(name, package, main, args = [], env = {}, timeout = 60, deps = [], visibility = None, tags = []):
    """A program that is run with an artifact; the test passes when it exits with 0.

    Args:
      name: The target's name, unique in its package.
      package: The artifact to test.
      main: The program, a file.
      args: Its command line, after the path of the artifact.
      env: Environment variables to add.
      timeout: Seconds after which the test is stopped and has failed.
      deps: The `python_modules` targets whose modules this target may use.
      visibility: The packages that may depend on the target. The default is that of `package()`, else
        private.
      tags: Free words. `manual` keeps the target out of `:all` and `...`.
    """
    check("package_test", {
        "args": args,
        "deps": deps,
        "env": env,
        "main": main,
        "name": name,
        "package": package,
        "tags": tags,
        "timeout": timeout,
    })
    seconds = timeout or 60
    _package_test(
        name = name,
        arguments = args,
        main = main,
        package = package,
        seconds = json.encode(seconds),
        tags = tags,
        timeout = _test_timeout(seconds),
        variables = env,
        visibility = visibility,
        deps = deps,
    )

def _test_timeout(seconds):
    """The kind of test to Bazel: one that gives the program its time and the report of its end some more."""
    for kind in ["short", "moderate", "long"]:
        if seconds < _TEST_TIMEOUTS[kind]:
            return kind
    return "eternal"

def _absolute_values(labels):
    """The dictionary with one spelling for each label, as far as text alone can tell."""
    return {key: _absolute(label) for key, label in labels.items()}

def _absolute(label):
    label = str(label)
    if label.startswith(("//", "@")):
        return label if ":" in label else "%s:%s" % (label, label.rpartition("/")[2])
    return "//%s:%s" % (native.package_name(), label[1:] if label.startswith(":") else label)

def _unique(values):
    return {value: None for value in values}.keys()
