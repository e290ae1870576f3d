"""What can only be told from modules that are loaded: held externs, lazy names."""
