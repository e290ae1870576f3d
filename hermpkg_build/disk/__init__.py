"""Files and processes of this machine: signatures, digests, replacing aside."""
