"""The virtual disk for every tool that speaks NBD: a read-only server for clients that are not trusted."""
