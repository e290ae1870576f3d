"""What packaged code gets in place of some attributes of host modules, such as importlib, pickle and torch.

`overrides` lists the modules; the other files make the replacements, on top of `importing`.
"""
