"""Lists as the OpenAI API pages them: `?limit=&after=&order=`, and `first_id`, `last_id`, `has_more` in the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, Field

from config.base import Config
from queues.registry import Page, Record, Registry
from service.serve.routes import Asked
from service.serve.shapes import Listed, listed

T = TypeVar("T", bound=BaseModel)
Limit = Annotated[int, Field(ge=1, le=1000)]
After = Annotated[str, Field(min_length=1, max_length=200)]


class PageQuery(Config):
    """Which part of a list is asked for. What a subclass adds is what the things of the list must have."""

    limit: Limit = 20
    after: After | None = None
    """The id of the last one that is known already."""
    order: Literal["asc", "desc"] = "desc"
    """By the time at which they were made."""


async def page_of(registry: Registry, kind: str, asked: Asked, show: Callable[[Record], T]) -> Listed[T]:
    """Return the part of the caller's things of a kind that a PageQuery asks for."""
    query: PageQuery = asked.query
    match = query.model_dump(exclude=set(PageQuery.model_fields), exclude_none=True)
    page = Page(query.after, query.limit, query.order == "desc")
    records, more = await registry.page(kind, asked.caller.tenant, page, match)
    return listed([show(record) for record in records], more)
