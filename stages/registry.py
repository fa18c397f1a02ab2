"""From a stage's configuration to the stage: an explicit dict, type -> builder.

Each builder hands its stage the slice it needs of the tools, and never the whole of the configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from config.schema import (
    Collapse,
    CrossCheck,
    Dedupe,
    Difficulty,
    Generate,
    Judge,
    Rank,
    Score,
    Select,
    Transform,
    Verify,
    Vote,
)
from config.schema import Stage as StageConfig
from stages.core.base import Decisions, Place, Stage
from stages.core.events import Observe
from stages.dedupe.collapse import CollapseMonitor
from stages.dedupe.decontaminate import DecontaminateStage
from stages.dedupe.dedupe import dedupe_stage
from stages.dedupe.embed import EmbedStage, embedder
from stages.dedupe.online import ReviveStage
from stages.generate.annotate import AnnotateStage
from stages.generate.generate import GenerateStage
from stages.generate.waves import WaveStage
from stages.judge.constitution import Constitution, load_constitution
from stages.judge.judge import JudgeStage
from stages.judge.marking import axis_weights, marker
from stages.judge.rank import RankStage
from stages.judge.select import SelectStage
from stages.judge.slice import AuditedJudge
from stages.judge.vote import VoteStage
from stages.llm.asking import Asker
from stages.llm.protocol import Model
from stages.prompts.template import Expression
from stages.score.difficulty import DifficultyStage
from stages.score.draw import Draw
from stages.score.quota import QuotaStage
from stages.score.score import ScoreStage
from stages.score.truth import tells_right
from stages.transform.critique import Reviser
from stages.transform.derive import Augmenter, Converter, DeriveStage
from stages.transform.gates import Check, Gates
from stages.transform.rewrite import PlainRewriter, RewriteStage
from stages.verify.answers import answers
from stages.verify.cross_check import RecheckStage, SolveAgainStage
from stages.verify.grounded import Grounded
from stages.verify.json_schema import JsonSchema
from stages.verify.stage import VerifyStage


@dataclass(frozen=True, slots=True)
class Tools:
    """What stages work with. `constitution` is the pipeline's default path, `run_seed` its seed.

    `earlier` and `later` are the stages around the one that is built, `built` those that are there; `expected` is how
    many candidates the first waves will have; `at_once` calls keep every place at the endpoints taken.
    """

    models: Mapping[str, Model]
    decisions: Decisions
    run_seed: int
    constitution: str | None = None
    collapse: Collapse | None = None
    observe: Observe | None = None
    earlier: Sequence[StageConfig] = ()
    later: Sequence[StageConfig] = ()
    built: Sequence[Stage] = ()
    expected: int = 0
    at_once: int = 1


def build(configs: Sequence[StageConfig], tools: Tools) -> list[Stage]:
    """Return the stages of a pipeline in their order, and between them those that the keys of others ask for."""
    generates = [config for config in configs if isinstance(config, Generate)]
    waves = {wave_end(configs, made): (made.name, made.until) for made in generates if made.until is not None}
    online = [config for config in configs if isinstance(config, Dedupe) and config.mode == "online"]
    revived = {_last_fit(configs, config, (*ONE_AT_A_TIME, "score")): config.name for config in online}
    stages: list[Stage] = []
    for at, config in enumerate(configs):
        where = None if config.where is None else Expression(config.where)
        place = Place(config.name, len(stages), config.action, where, tools.observe)
        if isinstance(config, Dedupe) and config.semantic is not None:
            stages.append(EmbedStage(place, config, embedder(config.semantic, tools.models), tools.decisions))
            place = replace(place, depth=len(stages))
        around = replace(tools, earlier=configs[:at], later=configs[at + 1 :], built=stages)
        stages.append(BUILDERS[config.type](place, config, around))
        if config.name in waves:
            name, until = waves[config.name]
            stages.append(WaveStage(Place(f"{name}.until", len(stages), observe=tools.observe), until, tools.decisions))
        if isinstance(config, Difficulty) and config.target:
            place = replace(place, depth=len(stages))
            stages.append(QuotaStage(place, config.target, tools.decisions, tools.run_seed))
        if (dedupe := revived.get(config.name)) is not None:
            stages.append(ReviveStage(Place(f"{dedupe}.revive", len(stages), observe=tools.observe), dedupe))
    return stages


ONE_AT_A_TIME = ("verify", "cross_check", "judge", "decontaminate")
"""The stage types that judge a candidate by itself: as good in the first wave as when all waves are in."""


def wave_end(configs: Sequence[StageConfig], generate: Generate) -> str:
    """Return the stage after which a seed's next wave is decided: `until.after`, else the last fit one, else itself."""
    if generate.until is not None and generate.until.after is not None:
        return generate.until.after
    return _last_fit(configs, generate, ONE_AT_A_TIME)


def _last_fit(configs: Sequence[StageConfig], first: StageConfig, types: Sequence[str]) -> str:
    """Return the last stage after `first` before one that is of another type; itself where there is none."""
    fit = takewhile(lambda stage: stage.type in types, configs[configs.index(first) + 1 :])
    return [first.name, *(stage.name for stage in fit)][-1]


def _generate(place: Place, config: Generate, tools: Tools) -> Stage:
    monitor = CollapseMonitor(place, config, tools.collapse, tools.decisions, tools.at_once)
    return GenerateStage(place, config, tools.models, tools.run_seed, monitor)


def _verify(place: Place, config: Verify, tools: Tools) -> Stage:
    model = None if config.fallback is None else tools.models[config.fallback.endpoint]
    return VerifyStage(place, config, model, tools.run_seed)


def _cross_check(place: Place, config: CrossCheck, tools: Tools) -> Stage:
    model = None if config.endpoint is None else tools.models[config.endpoint]
    kind = SolveAgainStage if config.sees == "question" else RecheckStage
    return kind(place, config, model, tools.run_seed)


def _judge(place: Place, config: Judge, tools: Tools) -> Stage:
    judges = [tools.models[alias] for alias in config.endpoint]
    stronger = None if config.escalate is None else tools.models[config.escalate.to]
    constitution = _constitution(config, tools)

    def judge(place: Place) -> JudgeStage:
        return JudgeStage(place, config, judges, stronger, constitution, tools.run_seed)

    if config.audit is None:
        return judge(place)
    trial = judge(replace(place, name=f"{place.name}.audit"))
    share = min(config.audit.share, config.audit.max / max(tools.expected, 1))
    if config.mode == "reward":  # there is nothing to turn round
        share = 0.0
    return AuditedJudge(place, judge(place), trial, share, tools.decisions, tools.run_seed)


def _rank(place: Place, config: Rank, tools: Tools) -> Stage:
    top = ranked_top(tools.later)
    return RankStage(place, config, tools.models[config.endpoint], _constitution(config, tools), top, tools.run_seed)


def _constitution(config: Judge | Rank | Score | Transform, tools: Tools) -> Constitution | None:
    path = config.constitution or tools.constitution
    return None if path is None else load_constitution(path)


def ranked_top(later: Sequence[StageConfig]) -> int | None:
    """Return how many places of a ranking the stages after it look at; None: all of them."""
    tops: list[int] = []
    for stage in later:
        if not isinstance(stage, Select):
            continue
        if stage.by == "rank":
            if stage.agree is not None:  # whoever moves up may stand anywhere
                return None
            tops.append(stage.top)
        elif stage.agree is not None and "rank" in stage.agree.with_:
            tops.append(stage.agree.within_top)
    return max(tops, default=None)


def _vote(place: Place, config: Vote, tools: Tools) -> Stage:
    model = None if config.endpoint is None else tools.models[config.endpoint]
    found = None if config.extract == "model" else answers(config.extract)
    return VoteStage(place, config, found, model, tools.run_seed)


def _transform(place: Place, config: Transform, tools: Tools) -> Stage:
    model, gates = tools.models[config.endpoint], _gates(place, config, tools)
    asker = Asker(place, tools.run_seed, config.temperature, config.max_tokens)
    if config.kind == "augment":
        return DeriveStage(place, config, Augmenter(config, model, asker), gates)
    if config.on_rows:
        return DeriveStage(place, config, Converter(config, model, asker), gates)
    if config.kind != "critique_revise":
        return RewriteStage(place, config, PlainRewriter(config, model, asker), gates)
    constitution = _constitution(config, tools)
    principles = [one.model_dump() for one in constitution.principles] if constitution else []
    return RewriteStage(place, config, Reviser(config, principles, model, asker), gates)


def _gates(place: Place, config: Transform, tools: Tools) -> Gates:
    """Return the gates of a transform, with what they borrow from other rooms."""
    gate = config.gate
    schema = gate.schema_ or config.schema_
    checks: list[Check] = [Grounded()] if gate.grounded else []
    checks += [JsonSchema(schema)] if schema is not None else []
    judge = None if gate.equivalent is None else tools.models[gate.equivalent.endpoint]
    return Gates(gate, Asker(place, tools.run_seed), answers(gate.extract) if gate.same_answer else None, checks, judge)


def _difficulty(place: Place, config: Difficulty, tools: Tools) -> Stage:
    of = [stage.name for stage in tells_right(tools.earlier, config)]
    waves = [
        stage.until if isinstance(stage, Generate) else stage.stop
        for stage in tools.earlier
        if isinstance(stage, (Generate, Vote))
    ]
    own = rater = None
    if config.samples is not None and config.endpoint is not None:
        (check,) = (stage for stage in tools.built if isinstance(stage, VerifyStage) and stage.name in of)
        own = Draw(place, config, tools.models[config.endpoint], check.verdict, tools.run_seed)
    if config.by != "pass_rate":
        rater = tools.models[config.rater or config.endpoint or ""]
    return DifficultyStage(place, config, of, any(waves), own, rater, tools.run_seed)


def _score(place: Place, config: Score, tools: Tools) -> Stage:
    if not config.endpoint:
        return ScoreStage(place, config)
    models, constitution = [tools.models[alias] for alias in config.endpoint], _constitution(config, tools)
    mark = marker(place, config, constitution, tools.run_seed)
    return ScoreStage(place, config, models, mark, axis_weights(config, constitution))


BUILDERS: dict[str, Callable[[Place, Any, Tools], Stage]] = {
    "annotate": lambda place, config, tools: AnnotateStage(
        place, config, tools.models[config.endpoint], tools.run_seed
    ),
    "generate": _generate,
    "verify": _verify,
    "cross_check": _cross_check,
    "judge": _judge,
    "vote": _vote,
    "rank": _rank,
    "select": lambda place, config, _: SelectStage(place, config),
    "dedupe": lambda place, config, tools: dedupe_stage(place, config, tools.decisions),
    "decontaminate": lambda place, config, _: DecontaminateStage(place, config),
    "transform": _transform,
    "difficulty": _difficulty,
    "score": _score,
}
