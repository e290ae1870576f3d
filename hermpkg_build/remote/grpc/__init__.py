"""The Remote Execution API over gRPC: channel, calls and streams."""
