"""One module a peer, each run as a process in its own environment."""
