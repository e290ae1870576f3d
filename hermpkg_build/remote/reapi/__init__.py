"""Messages of the Remote Execution API: digests, Merkle trees, action results, execution."""
