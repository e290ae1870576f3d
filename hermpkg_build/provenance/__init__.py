"""What an artifact is made of and under which terms, in the forms that others read."""
