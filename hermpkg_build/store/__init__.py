"""The local cache: contents by digest, action results, digests of files, import facts."""
