"""What a pipeline.yaml or a service.yaml comes to: every setting as it counts, where it was written, and no secret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from config.load import read_pipeline, read_service_with_places
from config.origins import marked
from config.problems import ConfigError
from config.schema import Pipeline, resolved
from config.service import Service, shown
from config.yamlfile import read_file

_SHARED = {"endpoints"}
"""Keys that both kinds of file have."""


def told(file: Path | None, env: Mapping[str, str], sets: Sequence[str]) -> str:
    """Return the settings as YAML, of a service where there is no file. Raises ConfigError with every mistake."""
    if file is None or _is_service(read_file(file)[0]):
        service, places = read_service_with_places(file, env=env, sets=sets)
        return marked(shown(service), places)
    loaded = read_pipeline(file, env=env, sets=sets)
    if loaded.problems or loaded.pipeline is None:
        raise ConfigError(loaded.problems)
    return marked(resolved(loaded.pipeline), loaded.places)


def _is_service(data: Any) -> bool:
    if not isinstance(data, dict) or "source" in data:
        return False
    own = Service.model_fields.keys() - _SHARED
    return not own.isdisjoint(data) or (Pipeline.model_fields.keys() - _SHARED).isdisjoint(data)
