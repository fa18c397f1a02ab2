"""Lists as the OpenAI API pages them: `?limit=&after=&order=`, and `first_id`, `last_id`, `has_more` in the answer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from config.base import Config
from queues.registry import Page

Limit = Annotated[int, Field(ge=1, le=1000)]
After = Annotated[str, Field(min_length=1, max_length=200)]


class PageQuery(Config):
    """Which part of a list is asked for."""

    limit: Limit = 20
    after: After | None = None
    """The id of the last one that is known already."""
    order: Literal["asc", "desc"] = "desc"
    """By the time at which they were made."""

    def page(self) -> Page:
        return Page(self.after, self.limit, self.order == "desc")
