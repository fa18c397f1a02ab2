"""Rules for stages that measure: what a difficulty or a score is read from must be there, and be enough."""

from __future__ import annotations

from collections.abc import Iterator

from config.problems import Finding
from config.schema import Difficulty, Generate, Score, Verify, Vote
from config.words import suggestion
from service.check.at import At
from service.check.resources import absent
from stages.core.errors import InputError
from stages.judge.constitution import load_constitution
from stages.judge.marking import axis_weights
from stages.score.truth import decides, tells_right

_OF_MODELS = (
    *("axes", "constitution", "principles", "prompt", "scale", "per_call", "samples", "weights", "gates", "combine"),
    *("normalise", "temperature", "max_tokens"),
)


def samples(stage: Difficulty, _: At) -> Iterator[Finding]:
    """Yield what is wrong with an own draw of the model to be trained."""
    if stage.samples is None:
        alone = stage.by == "pass_rate" or stage.rater is not None
        if stage.endpoint is not None and alone and stage.by != "model":
            yield Finding(
                ("samples",), f'missing; how often "{stage.endpoint}" is asked for a seed, such as samples: 8'
            )
        for key in ("temperature", "max_tokens", "prompt"):
            if stage.by != "model" and getattr(stage, key) != Difficulty.model_fields[key].default:
                yield Finding((key,), "only the `samples` that are drawn from `endpoint` read it; remove it")
    elif stage.endpoint is None:
        yield Finding(("endpoint",), "missing; name the model to be trained, which is asked `samples` times")
    elif stage.samples < stage.min_samples:
        message = f"fewer than `min_samples: {stage.min_samples}`, so every seed would be unknown; write as many"
        yield Finding(("samples",), message)


def asked(stage: Difficulty, _: At) -> Iterator[Finding]:
    """Yield what is wrong with whom a rating is asked of."""
    if stage.by != "pass_rate" and stage.endpoint is None and stage.rater is None:
        yield Finding(("endpoint",), "missing; name the model that rates")
    if stage.by == "model" and stage.endpoint is not None and stage.rater is not None:
        yield Finding(("rater",), "`endpoint` rates already; remove one of them")


def truth(stage: Difficulty, at: At) -> Iterator[Finding]:
    """Yield why it cannot be told what a seed's right answers are, or what to ask for them."""
    if stage.by == "model":
        return
    of, names = tells_right(at.before, stage), [one.name for one in at.before if decides(one)]
    if not of or not all(decides(one) for one in of):
        how = "add a verify before it, or write `by: model`"
        if stage.of is not None:
            how = suggestion(stage.of, names, "those that do are")
        yield Finding(("of",), f"{'nothing' if stage.of is None else f'no stage {stage.of!r}'} before it judges; {how}")
    elif stage.samples is not None and not (len(of) == 1 and isinstance(of[0], Verify)):
        yield Finding(("of",), "what is drawn is checked by a `verify` stage; name one before this one")
    made = any(isinstance(one, Generate) for one in at.before)
    if stage.samples is not None and not (stage.prompt or made or at.pipeline.source.messages):
        yield Finding(("prompt",), 'missing; nothing else says what to ask, write for example prompt: "{{ question }}"')


def enough(stage: Difficulty, at: At) -> Iterator[Finding]:
    """Yield where no seed can ever have as many candidates as it takes."""
    made = [one for one in at.before if isinstance(one, Generate)]
    if stage.by == "model" or stage.samples is not None or not made:
        return
    most = max(made[-1].candidates, made[-1].until.max_candidates if made[-1].until else 0)
    most = max([most, *(one.stop.max_candidates for one in at.before if isinstance(one, Vote) and one.stop)])
    if most < stage.min_samples:
        message = f"a seed has {most} candidates at most, so every one would be unknown; write min_samples: {most}"
        yield Finding(("min_samples",), message)


def anything(stage: Score, _: At) -> Iterator[Finding]:
    """Yield where there is nothing to score by, or a key that only models read, and no model."""
    if stage.endpoint:
        return
    if not any(value is not None for _, value in stage.features):
        message = "missing; write for example features: {steps: 0.05, explanation: 0.02}, or an `endpoint` with `axes`"
        yield Finding(("features",), message)
    for key in _OF_MODELS:
        if getattr(stage, key) != Score.model_fields[key].default:
            yield Finding((key,), "only models read it; name one: `endpoint: main`")


def opinions(stage: Score, at: At) -> Iterator[Finding]:
    """Yield what is wrong with what models are asked for."""
    if stage.endpoint and not stage.axes and stage.prompt is None:
        yield Finding(("axes",), "missing; write axes: constitution, or ask for one overall mark by a `prompt`")
    if stage.axes == "constitution" and not (stage.constitution or at.pipeline.constitution):
        yield Finding(("constitution",), "missing; write `constitution: constitution.yaml` here or at the top")
    if stage.gates and stage.principles is not None:
        yield Finding(("principles",), "`gates` must see every axis of every candidate; remove one of them")


def axes(stage: Score, at: At) -> Iterator[Finding]:
    """Yield weights and gates of axes that there are not, and gates that nothing or everything passes."""
    path = (stage.constitution or at.pipeline.constitution) if stage.axes == "constitution" else None
    try:
        constitution = None if path is None else load_constitution(path)
    except InputError:  # told where the constitution is named
        return
    known = axis_weights(stage.model_copy(update={"weights": {}}), constitution)
    for key in ("weights", "gates"):
        for name in getattr(stage, key) if stage.endpoint else ():
            yield from absent((key, name), "axis", name, known, "axes")
    low, high = stage.scale
    for name, least in stage.gates.items():
        if not low < least <= high:
            yield Finding(
                ("gates", name), f"marks go from {low} to {high}; write more than {low} and no more than {high}"
            )
    weightless = sum(not weight for weight in (known | stage.weights).values())
    if known and weightless == len(known):
        yield Finding(("weights",), "no axis weighs anything")
    elif constitution is not None and 0 < (stage.principles or 0) <= weightless:
        message = f"of a seed that draws only what weighs 0 there would be no score; write at least {weightless + 1}"
        yield Finding(("principles",), message)
