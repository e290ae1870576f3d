"""model: what a factory function returns, in a folder."""

load("//rules/private:attributes.bzl", "declare", "rule_attributes")
load("//rules/private:providers.bzl", "ModelInfo", "PythonModulesInfo", "merge_modules")
load("//rules/private:requests.bzl", "add", "label_text", "run_tool", "target_request")

def _model_impl(ctx):
    modules = merge_modules([dep[PythonModulesInfo] for dep in ctx.attr.deps])
    declaration = declare(ctx, "model")
    files = depset(ctx.files.weights, transitive = [modules.sources, modules.resources])
    folder = ctx.actions.declare_directory(ctx.label.name + ".model")
    request = target_request(ctx, declaration, modules, files)
    add(request, "output", folder.path)
    run_tool(
        ctx,
        "model",
        request,
        inputs = files,
        outputs = [folder],
        mnemonic = "HermpkgModel",
        progress_message = "Making the model %s" % ctx.label,
    )
    return [
        DefaultInfo(files = depset([folder])),
        ModelInfo(
            declaration = declaration,
            folder = folder,
            label = label_text(ctx.label),
            modules = modules,
        ),
    ]

model = rule(
    implementation = _model_impl,
    attrs = rule_attributes("model"),
    provides = [ModelInfo],
)
