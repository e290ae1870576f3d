"""The records of an artifact: opened, checked, mapped, unpickled, unpacked. Knows nothing of modules."""
