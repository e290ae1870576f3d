"""Opens artifacts and runs the code in them; needs nothing of the build side."""
