"""From a stage's configuration to the stage: an explicit dict, type -> builder.

Each builder hands its stage the slice it needs of the tools, and never the whole of the configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from config.schema import Dedupe, Generate, Judge, Score, Select, Verify
from config.schema import Stage as StageConfig
from stages.core.base import Place, Stage
from stages.core.events import Observe
from stages.dedupe.dedupe import dedupe_stage
from stages.generate.generate import GenerateStage
from stages.judge.constitution import load_constitution
from stages.judge.eliminate import EliminateStage
from stages.judge.select import SelectStage
from stages.llm.protocol import Model
from stages.prompts.template import Expression, Template
from stages.score.score import ScoreStage
from stages.verify.stage import VerifyStage


@dataclass(frozen=True, slots=True)
class Tools:
    """What stages work with. `constitution` is the pipeline's default path, `run_seed` its seed."""

    models: Mapping[str, Model]
    run_seed: int
    constitution: str | None = None
    observe: Observe | None = None


def build(config: StageConfig, depth: int, tools: Tools) -> Stage:
    """Return the stage that `config` asks for, standing at `depth` in the pipeline."""
    where = None if config.where is None else Expression(config.where)
    place = Place(config.name, depth, config.action, where, tools.observe)
    return BUILDERS[config.type](place, config, tools)


def _generate(place: Place, config: Generate, tools: Tools) -> Stage:
    prompts = [Template(source) for source in config.prompts]
    system = None if config.system is None else Template(config.system)
    return GenerateStage(place, config, tools.models, prompts, system, tools.run_seed)


def _verify(place: Place, config: Verify, _: Tools) -> Stage:
    return VerifyStage(place, config)


def _judge(place: Place, config: Judge, tools: Tools) -> Stage:
    path = config.constitution or tools.constitution
    constitution = None if path is None else load_constitution(path)
    return EliminateStage(place, config, tools.models[config.endpoint[0]], constitution)


def _select(place: Place, config: Select, _: Tools) -> Stage:
    return SelectStage(place, config)


def _dedupe(place: Place, config: Dedupe, _: Tools) -> Stage:
    return dedupe_stage(place, config)


def _score(place: Place, config: Score, _: Tools) -> Stage:
    return ScoreStage(place, config)


BUILDERS: dict[str, Callable[[Place, Any, Tools], Stage]] = {
    "generate": _generate,
    "verify": _verify,
    "judge": _judge,
    "select": _select,
    "dedupe": _dedupe,
    "score": _score,
}
