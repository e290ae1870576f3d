"""The workspace of modules that model objects are made from."""

from tests.unit.factories.conftest import models

__all__ = ["models"]
