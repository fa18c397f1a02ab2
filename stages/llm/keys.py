"""The API keys of one endpoint: where they come from, whose turn it is, which are dead.

A key's text never appears in a message or a repr; errors name the variable or file it came from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from config.schema import Endpoint
from stages.core.errors import InputError
from stages.llm.failures import Failure, Kind


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key, or none for a keyless server (`text` None). `origin`: the variable or file a person would change."""

    text: str | None = field(repr=False)
    origin: str


def read_keys(alias: str, config: Endpoint, env: Mapping[str, str]) -> list[ApiKey]:
    """Return the keys of an endpoint, one of a keyless server if it names none. Raises InputError for all that lack."""
    problems, keys, files = [], [], [("api_key_file", name) for name in config.api_key_file]
    for variable in config.api_key_env:
        if text := env.get(variable, "").strip():
            keys.append(ApiKey(text, variable))
        elif name := env.get(f"{variable}_FILE", ""):
            files.append((f"api_key_env: {variable}_FILE", name))
        else:
            problems.append(f"endpoints.{alias}.api_key_env: the environment variable {variable} is not set")
    for key, name in files:
        try:
            lines = Path(name).read_text(encoding="utf-8").split()
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"endpoints.{alias}.{key}: cannot read {name}: {error}")
            continue
        keys += [ApiKey(text, name) for text in lines]
        if not lines:
            problems.append(f"endpoints.{alias}.{key}: {name} is empty; write the key into it, one a line")
    problems += [
        f"endpoints.{alias}: the key in {key.origin} has characters that no header can carry"
        for key in keys
        if key.text and not (key.text.isascii() and key.text.isprintable())
    ]
    if problems:
        raise InputError(problems)
    return keys or [ApiKey(None, "")]


class KeyRing:
    """Keys in turn. Never empty: whoever loses the last one is told that this is the end."""

    def __init__(self, alias: str, keys: Sequence[ApiKey]) -> None:
        self._alias, self._alive = alias, list(keys)
        self._texts = [key.text for key in keys if key.text]
        self._turn = 0

    def __len__(self) -> int:
        return len(self._alive)

    def next(self) -> ApiKey:
        """Return the key whose turn it is."""
        self._turn += 1
        return self._alive[self._turn % len(self._alive)]

    def lost(self, key: ApiKey, failure: Failure) -> Failure:
        """Never use `key` again; return what its failure is to the call: the end, where no other key is left."""
        others = [alive for alive in self._alive if alive is not key]
        if others:
            self._alive = others
            return failure
        remedy = f"Put a working key into {key.origin}" if key.origin else "The server wants a key: set api_key_env"
        if failure.remedy:
            remedy = f"{failure.remedy}, or put another key into {key.origin}" if key.origin else failure.remedy
        return replace(failure, kind=Kind.ENDPOINT, remedy=f"{remedy} (endpoint {self._alias})")

    def redacted(self, words: str) -> str:
        """Return `words` without any key that the provider may have echoed."""
        for text in self._texts:
            words = words.replace(text, "***")
        return words
