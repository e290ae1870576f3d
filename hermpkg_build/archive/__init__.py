"""The artifact as a ZIP file: record names, writer, reader."""
