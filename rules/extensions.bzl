"""The interpreter of the actions, for a MODULE.bazel file.

    python = use_extension("@hermpkg//rules:extensions.bzl", "python")
    python.local(interpreter = "/opt/venv/bin/python")

or one of rules_python, with what a file of requirements locks:

    python.environment(
        interpreter_target = "@python_3_11_host//:python",
        requirements_lock = "//:requirements_lock.txt",
    )
"""

load("//rules/private:python_repository.bzl", "declare_python")

def _python_impl(module_ctx):
    asked = [
        tag
        for module in module_ctx.modules
        if module.is_root
        for tag in module.tags.local + module.tags.environment
    ]
    if len(asked) > 1:
        fail("python.local() and python.environment() are called %d times, " % len(asked) +
             "but there can be only one interpreter")
    tag = asked[0] if asked else struct()
    declare_python(
        name = "hermpkg_python",
        extra_pip_args = getattr(tag, "extra_pip_args", []),
        interpreter = getattr(tag, "interpreter", ""),
        interpreter_target = getattr(tag, "interpreter_target", None),
        requirements_lock = getattr(tag, "requirements_lock", None),
        workers = True,
    )

    # What it makes follows from MODULE.bazel files alone, so that nothing of it need be in the lock file.
    # Bazel takes that since 7.1, which was the first to have `watch`, too.
    return module_ctx.extension_metadata(reproducible = True) if hasattr(module_ctx, "watch") else None

python = module_extension(
    implementation = _python_impl,
    doc = "The Python interpreter that models are built with. Only the root module's call counts.",
    tag_classes = {
        "environment": tag_class(
            attrs = {
                "extra_pip_args": attr.string_list(
                    doc = "Arguments for pip, such as --index-url.",
                ),
                "interpreter_target": attr.label(
                    doc = "The interpreter: one of rules_python, such as @python_3_11_host//:python. The " +
                          "default is that of local().",
                ),
                "requirements_lock": attr.label(
                    doc = "A file of requirements with hashes, which pip installs.",
                    mandatory = True,
                ),
            },
            doc = "An environment of its own, made of an interpreter and of what a file locks.",
        ),
        "local": tag_class(
            attrs = {
                "interpreter": attr.string(
                    doc = "Its absolute path. The default is that in HERMPKG_PYTHON, of the environment or " +
                          "of --repo_env, else the python3 of the PATH.",
                ),
            },
            doc = "An interpreter of this machine, with what is installed for it.",
        ),
    },
)
