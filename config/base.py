"""The types that pipeline.yaml is made of: one frozen base model, and the short forms people write, made one shape.

What may be written in several ways has one shape after reading: one-or-many is a tuple, `{file: x}` is the file's text,
a path is absolute. The folder that paths are relative to comes with pydantic's validation context as `base_dir`;
without one they are relative to the working directory.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from config.words import Explained, explain

T = TypeVar("T")

_WRONG = "wrong"


class Config(BaseModel):
    """The root of all models: frozen, unknown keys refused. Attributes are the keys (`as_`: `as`, `with_`: `with`).

    The errors of its validation are in plain words, with words.Explained as their `ctx`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @model_validator(mode="wrap")
    @classmethod
    def _in_plain_words(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            own = [one for one in error.errors() if one["type"] != _WRONG]
            explained = [(one, found._asdict()) for one, found in explain(own, cls)]
            explained += [(one, one["ctx"]) for one in error.errors() if one["type"] == _WRONG]
            lines = [
                InitErrorDetails(type=PydanticCustomError(_WRONG, "{message}", ctx), loc=one["loc"], input=one["input"])
                for one, ctx in explained
            ]
            raise ValidationError.from_exception_data(cls.__name__, lines) from None


def wrong(message: str) -> PydanticCustomError:
    """Return an error that says `message` and nothing else (a ValueError would get pydantic's prefix)."""
    return PydanticCustomError(_WRONG, "{message}", Explained(message, None, {})._asdict())


@dataclass(frozen=True, slots=True)
class Uploads:
    """The files that a job of the service may name, and where they are. `alone`: it may name no others, nor plugins.

    It comes with pydantic's validation context as `uploads`, and every path goes past it.
    """

    paths: Mapping[str, str]
    alone: bool

    def path(self, name: str) -> str | None:
        """Return where a file of this name is; None: it is a path like any other."""
        if name not in self.paths and self.alone:
            raise wrong(f'"{name:.100}" is no file of yours here; upload it to /v1/files and write its id')
        return self.paths.get(name)


def resolve(path: str, info: ValidationInfo) -> str:
    """Return a path, relative to the pipeline file, made absolute."""
    context = info.context or {}
    if (uploads := context.get("uploads")) is not None and (uploaded := uploads.path(path)) is not None:
        return str(uploaded)
    base = context.get("base_dir") or Path.cwd()
    return str(Path(base, Path(path).expanduser()).resolve())


def _read(path: object, info: ValidationInfo) -> str:
    if not isinstance(path, str):
        raise wrong("write {file: PATH} with the file's path as a text")
    try:
        return Path(resolve(path, info)).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise wrong(f'there is no file "{path}" in {Path(resolve(path, info)).parent}') from None
    except (OSError, UnicodeDecodeError) as error:
        raise wrong(f'cannot read "{path}": {error}') from None


def _text(value: object, info: ValidationInfo) -> object:
    if isinstance(value, dict) and set(value) == {"file"}:
        return _read(value["file"], info)
    if not isinstance(value, str):
        raise wrong("write a text in quotes, or {file: x.jinja}")
    return value


def _json_schema(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, dict):
        raise wrong("write the JSON schema itself, or {file: schema.json}")
    if set(value) != {"file"}:
        return value
    try:
        return json.loads(_read(value["file"], info))
    except json.JSONDecodeError as error:
        raise wrong(f'"{value["file"]}" is not JSON: {error}') from None


def _function(named: str, info: ValidationInfo) -> str:
    if (uploads := (info.context or {}).get("uploads")) is not None and uploads.alone:
        raise wrong("plugins are the operator's alone; a job has the checks that are built in")
    file, colon, name = named.rpartition(":")
    return f"{resolve(file, info)}{colon}{name}" if file.endswith(".py") else named


class _OneOrMany:
    """Makes a tuple of one value. Here, where the type of the items is known, so that the JSON schema has it."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        one, many = handler.generate_schema(get_args(source)[0]), handler(source)
        written = core_schema.union_schema([one, many, core_schema.none_schema()])
        return core_schema.no_info_before_validator_function(cls.tupled, many, json_schema_input_schema=written)

    @staticmethod
    def tupled(value: object) -> object:
        if value is None:
            return ()
        return value if isinstance(value, (list, tuple)) else (value,)


def either(message: str, others: str | None = None) -> Discriminator:
    """Tell the members of a union, tagged `text`, `list` and `keys`, apart by form: only the one meant complains.

    Other values are for the member `others`, or get `message`.
    """

    def form(value: object) -> str | None:
        if isinstance(value, (dict, BaseModel)):
            return "keys"
        return "list" if isinstance(value, (list, tuple)) else "text" if isinstance(value, str) else others

    return Discriminator(form, custom_error_type="form", custom_error_message=message)


class _File(Config):
    file: str


Text = Annotated[str, BeforeValidator(_text, json_schema_input_type=str | _File)]
"""A Jinja2 template: written as a text or as `{file: x.jinja}`; after reading always the text."""

Schema = Annotated[dict[str, Any], BeforeValidator(_json_schema, json_schema_input_type=dict[str, Any] | _File)]
"""A JSON schema, written inline or as `{file: schema.json}`."""

FilePath = Annotated[str, Field(min_length=1), AfterValidator(resolve)]
"""A path, made absolute; that the file exists is for `tamis check` to say."""

Function = Annotated[str, Field(min_length=1), AfterValidator(_function)]
"""A Python function: `./file.py:name`, its path made absolute, or the name of an entry point."""

OneOrMany = Annotated[tuple[T, ...], _OneOrMany]
"""One value or a list; always a tuple after reading."""

Expr = Annotated[str, Field(min_length=1)]
"""A Jinja2 expression without braces."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", max_length=100)]
"""A name that becomes a label, a folder or a variable."""

Flag = Annotated[bool, Field(strict=True)]
Whole = Annotated[int, Field(strict=True, ge=0)]
Count = Annotated[int, Field(strict=True, ge=1)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]
