"""The version and where its documentation is, in a module of its own so that the build reads it without any other."""

__version__ = "0.2.0"

DOCUMENTATION = "https://qcowscope.readthedocs.io/"
"""The root of the published documentation; `project.urls` in pyproject.toml says the same."""


def rule_page(code: str) -> str:
    """The address of the page that documents a rule."""
    return f"{DOCUMENTATION}rules/{code}/"
