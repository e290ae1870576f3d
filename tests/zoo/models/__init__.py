"""Models of many libraries, by what they are about: each function returns a model and an example."""
