"""Commands for those who write pipelines: what is built in, drafts of constitutions, and what a file comes to."""

from __future__ import annotations

import os
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import typer

from config.words import suggestion
from stages.core.errors import InputError

Name = Annotated[str | None, typer.Argument(metavar="NAME", help="Left out: list what there is.")]

prompts = typer.Typer(no_args_is_help=True, help="The built-in prompts, to read and copy.")
constitution = typer.Typer(no_args_is_help=True, help="The built-in constitutions, and drafts for one's own.")
config = typer.Typer(no_args_is_help=True, help="What the settings come to.")


@prompts.command("show")
def show_prompt(name: Name = None) -> None:
    """Print a built-in prompt, for `prompt: {file: x.jinja}` when it has been changed."""
    from stages.prompts.template import Template

    text = _shown("prompt", files("stages.prompts"), ".jinja", name)
    if name is not None:
        typer.echo(f"it sees: {', '.join(Template(text).variables)}", err=True)


@constitution.command("show")
def show_constitution(name: Name = None) -> None:
    """Print a constitution that comes with tamis: `tamis constitution show NAME > constitution.yaml`."""
    _shown("constitution", files("stages.judge") / "constitutions", ".yaml", name)


@constitution.command("expand")
def expand_constitution(
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False)],
    pipeline: Annotated[
        Path | None, typer.Option(metavar="PIPELINE.yaml", help="Whose endpoint to ask. Default: the embedded model.")
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(metavar="ALIAS", help="The endpoint, where there are several.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: FILE with .expanded in its name.")] = None,
) -> None:
    """Let a model fill the empty lists of a constitution, as a draft to read, edit and commit."""
    from service.authoring.drafting import draft_file

    path, draft = draft_file(file, pipeline, endpoint, out)
    for empty in draft.empty:
        typer.echo(f"left empty: {empty}", err=True)
    typer.echo(f"{path}: {draft.filled} lists drafted by {draft.model}; read them, edit them, then use this file")


@config.command("show")
def show_config(
    file: Annotated[
        Path | None, typer.Argument(metavar="PIPELINE.yaml|SERVICE.yaml", help="Left out: a service without a file.")
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the file. Repeatable."),
    ] = None,
) -> None:
    """Print the settings as they count, each with where it was written, and no key or hash of a token in them."""
    from service.authoring.settings import told

    typer.echo(told(file, os.environ, sets or ()), nl=False)


def _shown(what: str, folder: Traversable, suffix: str, name: str | None) -> str:
    """Print the file of that name, or without one the names; return what was printed."""
    texts = {
        file.name.removesuffix(suffix): file.read_text(encoding="utf-8")
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(suffix)
    }
    if name is not None and name not in texts:
        raise InputError(f'there is no built-in {what} "{name}"; {suggestion(name, texts, "there are")}')
    text = "".join(f"{one}\n" for one in texts) if name is None else texts[name]
    typer.echo(text, nl=not text.endswith("\n"))
    return text
