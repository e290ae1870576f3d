"""Looks at graphs and artifacts: trees, reasons, differences."""
