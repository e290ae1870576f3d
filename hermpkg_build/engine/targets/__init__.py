"""One module for each rule: how a target of it is built or run."""
