"""Placeholder."""


def reuse_large_buffers() -> None:
    """Nothing yet."""
