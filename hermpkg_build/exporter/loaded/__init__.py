"""What can only be told from modules that are loaded: imports by names that only run time knows."""
