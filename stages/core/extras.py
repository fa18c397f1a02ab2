"""What an optional extra brings: asked for before it is needed, so that its absence is told with its remedy."""

from __future__ import annotations

from importlib.util import find_spec

from stages.core.errors import InputError


def require_extra(package: str, extra: str, what: str) -> None:
    """Raise InputError where `package` is not installed: `what` needs it, and tamis[extra] brings it."""
    if find_spec(package) is None:
        raise InputError(f"{what} needs {package}, which is not installed. Type: pip install 'tamis[{extra}]'")
