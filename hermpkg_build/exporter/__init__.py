"""PackageExporter: packages made by calls of Python code, without BUILD files."""
