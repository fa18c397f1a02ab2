"""The command `tamis simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
import uvloop

from service.simulator.options import (
    Access,
    FaultShares,
    JudgeSkill,
    Latency,
    Limits,
    Options,
    Reasoning,
    Skill,
    TruthFile,
)
from service.simulator.serving import serve


def _beta(text: str) -> tuple[float, float]:
    try:
        a, b = (float(part) for part in text.split(","))
    except ValueError:
        a = b = 0.0
    if min(a, b) <= 0:
        raise typer.BadParameter("two numbers above 0 with a comma between them, e.g. 0.5,0.8")
    return a, b


def _share(text: str) -> typer.models.OptionInfo:
    info: typer.models.OptionInfo = typer.Option(help=text, min=0, max=1)
    return info


def _amount(text: str) -> typer.models.OptionInfo:
    info: typer.models.OptionInfo = typer.Option(help=text, min=0)
    return info


def simulate(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 9000,
    seed: Annotated[int, typer.Option(help="All content and every fault follow from it.")] = 7,
    model: Annotated[list[str], typer.Option(help="Model name; may be given several times.")] = ["simulated"],  # noqa: B006  typer reads it, nobody writes it
    accuracy: Annotated[float | None, _share("Chance of a right answer, the same for all.")] = None,
    beta: Annotated[str, typer.Option(help="A,B: each question's own chance is drawn from Beta(A,B).")] = "0.5,0.8",
    common_wrong: Annotated[float, _share("Share of a question's wrong answers that agree.")] = 0.5,
    truth: Annotated[Path | None, typer.Option(help="JSONL file of questions with known answers.")] = None,
    question: Annotated[str, typer.Option(help="The column of --truth that holds the question.")] = "question",
    gold: Annotated[str, typer.Option(help="Template that gives a row's answer.")] = "{{ answer }}",
    sensitivity: Annotated[float, _share("Share of right answers that the judge passes.")] = 0.95,
    specificity: Annotated[float, _share("Share of wrong answers that the judge fails.")] = 0.9,
    latency: Annotated[float, _amount("Median seconds of a call.")] = 0.0,
    jitter: Annotated[float, _amount("Sigma of the log-normal latency.")] = 0.0,
    rpm: Annotated[float | None, _amount("Requests per minute; more is refused.")] = None,
    tpm: Annotated[float | None, _amount("Tokens per minute; more is refused.")] = None,
    max_concurrency: Annotated[int | None, _amount("Concurrent calls; more is refused.")] = None,
    retry_after: Annotated[float | None, _amount("Seconds that refusals advise to wait.")] = None,
    refuse: Annotated[float, _share("Share of first arrivals refused with a 429.")] = 0.0,
    error: Annotated[float, _share("Share answered with a 500.")] = 0.0,
    reset: Annotated[float, _share("Share whose connection is reset.")] = 0.0,
    hang: Annotated[float, _share("Share never answered.")] = 0.0,
    malformed: Annotated[float, _share("Share answered with a broken body.")] = 0.0,
    api_key: Annotated[str | None, typer.Option(help="Ask for this bearer token.")] = None,
    revoke_after: Annotated[int | None, _amount("The token is refused after so many replies.")] = None,
    context: Annotated[int | None, _amount("Most tokens of prompt and completion together.")] = None,
    reasoning: Annotated[Reasoning, typer.Option(help="Emit a trace: a field, or <think> tags.")] = "off",
) -> None:
    """Serve an OpenAI-compatible endpoint with known truth, for dry runs and tests. Ctrl-C ends it."""
    options = Options(
        seed=seed,
        models=tuple(model),
        skill=Skill(accuracy, _beta(beta), common_wrong),
        truth=TruthFile(truth, question, gold) if truth else None,
        judge=JudgeSkill(sensitivity, specificity),
        latency=Latency(latency, jitter),
        limits=Limits(rpm, tpm, max_concurrency, retry_after),
        faults=FaultShares(refuse, error, reset, hang, malformed),
        access=Access(api_key, revoke_after),
        context_tokens=context,
        reasoning=reasoning,
        host=host,
        port=port,
    )
    uvloop.run(serve(options, lambda base_url: typer.echo(f"simulating at {base_url}")))
