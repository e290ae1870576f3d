"""Only for `python setup.py package_model ...`; pip and build need nothing but pyproject.toml."""

from setuptools import setup

setup()
