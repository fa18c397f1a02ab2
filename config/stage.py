"""What every stage of a pipeline has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from config.base import Config, Expr, Name
from config.problems import Loc

Extract = Literal["math", "numeric", "choice", "text"]
"""How an answer is read from a text."""

Alias = Annotated[str, Field(min_length=1, examples=["main"])]


class BaseStage(Config):
    """What every stage has."""

    name: Name = ""
    """Left out: the stage's type. Unique; verdicts, metrics and `--threshold NAME.FIELD` go by it."""
    where: Expr | None = None
    """Only candidates (for `generate`: seeds) for which this expression is true."""
    action: Literal["reject", "mark"] = "reject"
    """`mark` judges and rejects nothing, so that a threshold can be moved later."""

    @model_validator(mode="before")
    @classmethod
    def _name_by_type(cls, data: Any) -> Any:
        default = cls.model_fields["type"].default
        return {"name": default, **data} if isinstance(data, dict) else data

    def aliases(self) -> Iterator[tuple[Loc, str]]:
        """Yield every endpoint that the stage calls, with the place in the stage that names it."""
        return _aliases(self, ())


def _aliases(part: Config, loc: Loc) -> Iterator[tuple[Loc, str]]:
    for key, value in part:
        if isinstance(value, Config):
            yield from _aliases(value, (*loc, key))
        elif key in ("endpoint", "rater", *(("to",) if loc else ())) and value is not None:  # `escalate.to`
            several = (value,) if isinstance(value, str) else value
            for place, alias in enumerate(several):
                last: Loc = () if len(several) == 1 else (alias,) if isinstance(several, dict) else (place,)
                yield (*loc, key, *last), alias
