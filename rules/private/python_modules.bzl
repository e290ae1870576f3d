"""python_modules: sources with their import facts."""

load("//rules/private:attributes.bzl", "declare", "rule_attributes")
load("//rules/private:providers.bzl", "PythonModulesInfo", "merge_modules")
load("//rules/private:requests.bzl", "add", "file_label_text", "new_request", "run_check", "run_tool")

def _python_modules_impl(ctx):
    dependencies = [dep[PythonModulesInfo] for dep in ctx.attr.deps]
    facts = [_analyse(ctx, source) for source in ctx.files.srcs]
    declaration = declare(ctx, "python_modules")
    checked = run_check(ctx, declaration, merge_modules(dependencies), ctx.files.srcs, facts)
    return [
        # Only building the target itself checks it: a target that depends on it does not mind a source
        # that does not parse, unless it needs that source.
        DefaultInfo(files = depset([checked])),
        merge_modules(
            dependencies,
            declarations = [declaration],
            facts = facts,
            resources = ctx.files.resources,
            sources = ctx.files.srcs,
        ),
    ]

def _analyse(ctx, source):
    """Registers the analysis of one module, which depends on its bytes and Python's grammar alone."""
    name = file_label_text(source).rpartition(":")[2]
    facts = ctx.actions.declare_file("%s.facts/%s.facts" % (ctx.label.name, name))
    request = new_request(ctx)
    add(request, "source", source.path)
    add(request, "output", facts.path)
    run_tool(
        ctx,
        "analyse",
        request,
        inputs = depset([source]),
        outputs = [facts],
        mnemonic = "HermpkgAnalyse",
        progress_message = "Analysing imports of " + source.short_path,
        needs_environment = False,
        worker = True,
    )
    return facts

python_modules = rule(
    implementation = _python_modules_impl,
    attrs = rule_attributes("python_modules"),
    provides = [PythonModulesInfo],
)
