"""One artifact of a real library: the library inside, everything else outside."""

load("@hermpkg//rules:defs.bzl", "extern", "intern", "model", "model_package", "python_modules")

def zoo_package(name, library):
    """Declares the artifact `name` of the model that factory.py of the package makes.

    Args:
      name: the artifact.
      library: the top-level package that is packed whole, as far as the model needs it.
    """
    python_modules(
        name = "factory",
        srcs = ["factory.py"],
    )
    model(
        name = "model",
        factory = native.package_name().replace("/", ".") + ".factory:make",
        cpu = "native",  # the outputs are compared with those of the library as it is installed
        deps = [":factory"],
    )
    model_package(
        name = name,
        models = {"model/model.pkl": ":model"},
        policy = [
            intern(library + ".**"),
            extern("**"),
        ],
    )
