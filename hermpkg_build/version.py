"""The version of this distribution, which artifacts and keys carry."""

__version__ = "0.1.0"
