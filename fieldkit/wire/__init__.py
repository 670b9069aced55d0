"""Bytes of a capture → packets → streams → frames. Sans-I/O: bytes and their times come in, events go out."""
