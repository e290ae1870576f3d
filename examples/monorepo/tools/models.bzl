"""How this company ships a model."""

load("@hermpkg//rules:defs.bzl", "deny", "intern", "model", "model_package", "package_test", "python_modules")

def shipped_model(name, factory, args = {}, deps = []):
    """Declares a model, its artifact and its test, by the rules that hold for all teams.

    Args:
      name: the artifact's; the test is `<name>_test`, in the file `<name>_test.py`.
      factory: the function that makes the model, such as `search.ranker:make`.
      args: its arguments.
      deps: the python_modules targets of shared code that it needs.
    """
    python_modules(
        name = name + "_modules",
        srcs = native.glob(
            ["*.py"],
            exclude = ["*_test.py"],
        ),
        deps = deps,
    )
    model(
        name = name + "_model",
        factory = factory,
        args = args,
        deps = [":" + name + "_modules"],
    )
    model_package(
        name = name,
        models = {"model/model.pkl": ":" + name + "_model"},
        # A team's artifact has its own code and shared code, and never that of another team.
        policy = [
            intern([
                native.package_name().replace("/", ".") + ".**",
                "libs.**",
            ]),
            deny("**"),
        ],
        deps = [":" + name + "_modules"],
    )
    package_test(
        name = name + "_test",
        main = name + "_test.py",
        package = ":" + name,
    )
