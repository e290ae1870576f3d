"""Build settings: values that a command line or a .bazelrc gives."""

StringListInfo = provider(
    doc = "The value of a string_list_flag.",
    fields = {"values": "A list of strings."},
)

def _string_list_flag_impl(ctx):
    return [StringListInfo(values = ctx.build_setting_value)]

string_list_flag = rule(
    implementation = _string_list_flag_impl,
    build_setting = config.string_list(flag = True),
    doc = "A list of strings, separated by commas on a command line.",
)
