"""The command `tamis simulate`. Whatever `Options` has is an option of it; the server is loaded when it runs."""

from __future__ import annotations

import inspect
from typing import Any

import typer

from service.simulator.options import Options


def simulate(**options: Any) -> None:
    """Serve an OpenAI-compatible endpoint with known truth, for dry runs and tests. Ctrl-C ends it."""
    import uvloop

    from service.simulator.server import serve

    uvloop.run(serve(Options(**options), lambda base_url: typer.echo(f"simulating at {base_url}")))


simulate.__signature__ = inspect.signature(Options)  # type: ignore[attr-defined]  # typer reads the fields from it
