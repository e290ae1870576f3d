"""The rules of BUILD files, for Bazel: what hermpkg's own engine has built in.

    load("@hermpkg//rules:defs.bzl", "deny", "intern", "model", "model_package", "python_modules")

Written by `python rules/make_defs.py` from hermpkg_build/loading/rules.py.
"""

load("//rules/private:attributes.bzl", "rule_arguments")
load("//rules/private:model.bzl", _model = "model")
load("//rules/private:model_package.bzl", _model_package = "model_package")
load("//rules/private:package_test.bzl", _package_test = "package_test")
load("//rules/private:policy.bzl", "policy_rule")
load("//rules/private:python_modules.bzl", _python_modules = "python_modules")

def intern(include, exclude = [], allow_empty = False):
    """Packs the modules' source.

    Args:
      include: Modules that the rule is for.
      exclude: Modules that it is not for.
      allow_empty: Whether a rule that matches no module is allowed.

    Returns:
      A policy rule.
    """
    return policy_rule("intern", include = include, exclude = exclude, allow_empty = allow_empty)

def extern(include, exclude = [], allow_empty = False, optional = False):
    """Leaves the modules to the environment that loads the artifact.

    Args:
      include: Modules that the rule is for.
      exclude: Modules that it is not for.
      allow_empty: Whether a rule that matches no module is allowed.
      optional: Whether code that asks for the modules can do without: nothing of them is checked or recorded.

    Returns:
      A policy rule.
    """
    return policy_rule("extern", include = include, exclude = exclude, allow_empty = allow_empty, optional = optional)

def mock(include, exclude = [], allow_empty = False):
    """Replaces the modules by stubs that fail when they are used.

    Args:
      include: Modules that the rule is for.
      exclude: Modules that it is not for.
      allow_empty: Whether a rule that matches no module is allowed.

    Returns:
      A policy rule.
    """
    return policy_rule("mock", include = include, exclude = exclude, allow_empty = allow_empty)

def deny(include, exclude = [], allow_empty = False):
    """Refuses the modules: needing one is an error.

    Args:
      include: Modules that the rule is for.
      exclude: Modules that it is not for.
      allow_empty: Whether a rule that matches no module is allowed.

    Returns:
      A policy rule.
    """
    return policy_rule("deny", include = include, exclude = exclude, allow_empty = allow_empty)

def python_modules(name, srcs, resources = [], deps = [], visibility = None, tags = []):
    """Python source files, each of which becomes a module target.

    Args:
      name: The target's name, unique in its package.
      srcs: Source files of this package. `a/b.py` below a source root is the module `a.b`.
      resources: Data files that the modules read at run time, packed beside them. Factories find them by their paths
        from the workspace root, too.
      deps: The `python_modules` targets whose modules this target may use.
      visibility: The packages that may depend on the target. The default is that of `package()`, else private.
      tags: Free words. `manual` keeps the target out of `:all` and `...`.
    """
    _python_modules(**rule_arguments(
        "python_modules",
        name = name,
        srcs = srcs,
        resources = resources,
        deps = deps,
        visibility = visibility,
        tags = tags,
    ))

def model(
        name,
        factory,
        args = {},
        seed = 0,
        weights = None,
        weights_key = None,
        weights_prefix = None,
        cpu = "baseline",
        deps = [],
        visibility = None,
        tags = []):
    """A model object: what a factory function returns, run in a process of its own.

    Args:
      name: The target's name, unique in its package.
      factory: The function that makes the model, as `module:function`.
      args: Keyword arguments of the factory.
      seed: The seed of torch's, numpy's and Python's random numbers.
      weights: A file of tensors for `load_state_dict`: safetensors, or what `torch.save` wrote.
      weights_key: Where the state dict is inside of `weights`, such as `state_dict` in a checkpoint of a training.
      weights_prefix: What keys of the state dict begin with, which the model's lack; other keys are left out.
      cpu: What the factory computes with: `baseline` is what every processor of the architecture has, so that numbers
        are the same on all of them; `native` is all that the building processor has.
      deps: The `python_modules` targets whose modules this target may use.
      visibility: The packages that may depend on the target. The default is that of `package()`, else private.
      tags: Free words. `manual` keeps the target out of `:all` and `...`.
    """
    _model(**rule_arguments(
        "model",
        name = name,
        factory = factory,
        args = args,
        seed = seed,
        weights = weights,
        weights_key = weights_key,
        weights_prefix = weights_prefix,
        cpu = cpu,
        deps = deps,
        visibility = visibility,
        tags = tags,
    ))

def model_package(
        name,
        models = {},
        modules = [],
        resources = {},
        sources = {},
        policy = [],
        requires = {},
        files = "auto",
        installed_files = [],
        environment = None,
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
      files: What packed code finds in `__file__`: `real` paths, `mangled` names, or with `auto` real paths where the
        code asks for its place.
      installed_files: Files of packed distributions to pack beside their modules, as globs over paths from where they
        are installed (`lib/lib*.so`): those that code opens by names that only run time knows.
      environment: The lock that has the hashes of what the artifact needs where it lands: `pylock.toml`, `uv.lock`,
        `poetry.lock`, or requirements with hashes. The default is that of the workspace.
      out: The artifact's file name. The default is the target's name with `.pt`.
      python_version: The Python version to record. The default is that of the building interpreter.
      deps: The `python_modules` targets whose modules this target may use.
      visibility: The packages that may depend on the target. The default is that of `package()`, else private.
      tags: Free words. `manual` keeps the target out of `:all` and `...`.
    """
    _model_package(**rule_arguments(
        "model_package",
        name = name,
        models = models,
        modules = modules,
        resources = resources,
        sources = sources,
        policy = policy,
        requires = requires,
        files = files,
        installed_files = installed_files,
        environment = environment,
        out = out,
        python_version = python_version,
        deps = deps,
        visibility = visibility,
        tags = tags,
    ))

def package_test(
        name,
        package,
        main,
        args = [],
        env = {},
        timeout = 60,
        flaky = False,
        data = [],
        deps = [],
        visibility = None,
        tags = []):
    """A program that is run with an artifact; the test passes when it exits with 0.

    Args:
      name: The target's name, unique in its package.
      package: The artifact to test.
      main: The program, a file.
      args: Its command line, after the path of the artifact.
      env: Environment variables to add.
      timeout: Seconds after which the test is stopped and has failed.
      flaky: Whether the test is tried up to three times, and has passed when one of them did.
      data: Files that the test reads, at their paths in the workspace below the folder that it starts in.
      deps: The `python_modules` targets whose modules this target may use.
      visibility: The packages that may depend on the target. The default is that of `package()`, else private.
      tags: Free words. `manual` keeps the target out of `:all` and `...`.
    """
    _package_test(**rule_arguments(
        "package_test",
        name = name,
        package = package,
        main = main,
        args = args,
        env = env,
        timeout = timeout,
        flaky = flaky,
        data = data,
        deps = deps,
        visibility = visibility,
        tags = tags,
    ))
