"""Whatever a person gives that cannot work is refused in words, with code 2, before anything is paid or touched."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import pytest
from pipeline_changes import Change, Config, put, seed, seeds, stages
from whole_runs import Project, identities_hold

Here = Callable[..., tuple[str, str]]
Refused = Callable[..., str]


@dataclass(frozen=True)
class Bad:
    """A mistake and the line that tells it. `{at}` in it: the line of pipeline.yaml that holds the text `at`."""

    change: Change
    says: str
    at: str = ""


SOURCES = {
    "a missing source": Bad(
        put("source.path", "sedes.jsonl"),
        "pipeline.yaml:{at}: source.path: sedes.jsonl: no such file (source.path is relative to the pipeline file)",
        "sedes",
    ),
    "a folder as source": Bad(
        put("source.path", "."), "pipeline.yaml:{at}: source.path: .: cannot be read: Is a directory", "path: ."
    ),
    "an empty source": Bad(seeds(), "seeds.jsonl: the source has no rows"),
    "a source of blank lines": Bad(seeds("", "  "), "seeds.jsonl: the source has no rows"),
    "a broken line": Bad(
        seeds(seed(1), '{"id": "q2", "question": ', seed(3)),
        "seeds.jsonl:2: not JSON: unexpected end of data (column 25); mend it, or leave such rows out with "
        "`on_error: skip` in the source",
    ),
    "a broken line in a packed file": Bad(
        seeds(seed(1), "{", name="seeds.jsonl.gz"), "seeds.jsonl.gz:2: not JSON: unexpected end of data (column 2)"
    ),
    "a broken line far down": Bad(
        seeds(*map(seed, range(2_000)), "[1]"), "seeds.jsonl:2001: a JSON object is expected, this is a list"
    ),
    "nothing but broken lines, skipped": Bad(seeds("{", "}", on_error="skip"), "seeds.jsonl:1: not JSON: "),
    "an id twice": Bad(
        seeds(seed(1), seed(2), seed(1, hint="h")),
        'seeds.jsonl:3: the id "q1" is that of line 1 too; ids must be unique',
    ),
    "a row twice, without ids": Bad(
        seeds(seed(1), seed(1), id=None),
        "seeds.jsonl:2: the same as line 1; remove it, or name a column with `id:`",
    ),
    "a row without its id": Bad(
        seeds(seed(1), '{"question": "q"}'), 'seeds.jsonl:2: no id: the row has no column "id"'
    ),
    "a column of ids that is not there": Bad(
        put("source.id", "uid"),
        'pipeline.yaml:{at}: source.id: unknown column "uid"; the source has: id, question, answer. Did you mean "id"?',
        "id: uid",
    ),
    "a row that an export could not be made of": Bad(
        lambda project, config: (
            seeds(seed(1, hint="h"), seed(2))(project, config),
            put("outputs.0.prompt", "{{ question }} {{ hint }}")(project, config),
        )[0],
        "seeds.jsonl:2: a template of the outputs cannot be made for this row: 'hint' is undefined",
    ),
}

FILES = {
    "a template with an unknown variable": Bad(
        put("stages.0.prompts", ["Solve it.\n", "{{ qestion }}"]),
        'pipeline.yaml:{at}: stages[0].prompts[1]: unknown variable "qestion"; the source has: id, question, answer. '
        'Did you mean "question"?',
        "qestion",
    ),
    "a template that ends too early": Bad(
        put("stages.1.against", "{{ answer"),
        "pipeline.yaml:{at}: stages[1].against: unexpected end of template, expected }}.",
        "against:",
    ),
    "an unknown key": Bad(
        put("stages.0.temprature", 1),
        'pipeline.yaml:{at}: stages[0].temprature: unknown key "temprature"; did you mean "temperature"?',
        "temprature",
    ),
    "an unknown key at the top": Bad(
        put("stage", []), 'pipeline.yaml:{at}: stage: unknown key "stage"; did you mean "stages"?', "stage: []"
    ),
    "a wrong type": Bad(
        put("stages.0.candidates", "four"),
        'pipeline.yaml:{at}: stages[0].candidates: must be a whole number, not "four"',
        "four",
    ),
    "a number out of its bounds": Bad(
        put("stages.0.candidates", 0),
        "pipeline.yaml:{at}: stages[0].candidates: must be at least 1, not 0",
        "candidates",
    ),
    "a stage that is none": Bad(
        put("stages.1.type", "verfy"),
        'pipeline.yaml:{at}: stages[1].type: there is no type "verfy"; did you mean "verify"?',
        "verfy",
    ),
    "an endpoint that is not there": Bad(
        put("stages.2.endpoint", "mian"),
        'pipeline.yaml:{at}: stages[2].endpoint: there is no endpoint "mian"; did you mean "main"?',
        "mian",
    ),
    "a key in the file": Bad(
        put("endpoints.main.api_key", "sk-abcdefghijklmnop123456"),
        "pipeline.yaml:{at}: endpoints.main.api_key: a key does not belong in a file; put it into an environment "
        "variable, say MAIN_API_KEY, and write `api_key_env: MAIN_API_KEY` in the endpoint",
        "api_key: ",
    ),
    "an api_key_env that is not set": Bad(
        put("endpoints.main.api_key_env", "NOBODYS_KEY"),
        "pipeline.yaml:{at}: endpoints.main.api_key_env: the environment variable NOBODYS_KEY is not set",
        "NOBODYS_KEY",
    ),
    "an api_key_file that is not there": Bad(
        put("endpoints.main.api_key_file", "nowhere.key"),
        "pipeline.yaml:{at}: endpoints.main.api_key_file: cannot read ",
        "nowhere.key",
    ),
    "an address without http": Bad(
        put("endpoints.main.base_url", "127.0.0.1:1/v1"),
        "pipeline.yaml:{at}: endpoints.main.base_url: must be a URL that starts with http:// or https://, not ",
        "base_url",
    ),
    "a constitution that is not there": Bad(
        put("constitution", "nowhere.yaml"), "pipeline.yaml:{at}: constitution: ", "nowhere.yaml"
    ),
    "two outputs in one file": Bad(
        put("outputs.1", {"format": "sft"}),
        "pipeline.yaml:{at}: outputs[1].format: a second output writes exports/sft.jsonl too",
        "- format: sft",
    ),
}

ORDERS = {
    "nothing that makes candidates": Bad(
        stages(1), "pipeline.yaml:{at}: stages: nothing makes candidates; add a `generate` stage, or name", "stages:"
    ),
    "generate behind a judge of candidates": Bad(
        stages(1, 0), 'stages[1].type: "verify" before it would never see its candidates; move `generate` up'
    ),
    "two generate stages": Bad(
        stages(0, 0), "stages[1].type: a second `generate`; give the first one more `prompts`, and `endpoint` a list"
    ),
    "select by a score that comes later": Bad(
        stages(0, {"type": "select", "by": "score"}, 5),
        'pipeline.yaml:{at}: stages[1].by: "score" needs a score stage',
        "by: score",
    ),
    "keep by a score that comes later": Bad(
        stages(0, {"type": "dedupe", "keep": {"by": "score"}}),
        'pipeline.yaml:{at}: stages[1].keep.by: "score" needs a score stage',
        "by: score",
    ),
    "two stages of one name": Bad(
        stages(0, 1, 1),
        'stages[2].name: stages[1] is named "verify" too; write a `name:` of its own, such as verify_2',
    ),
    "pairs without a judge of candidates": Bad(
        lambda _, config: config.update(stages=config["stages"][:1], outputs=[{"format": "dpo"}]),
        "pipeline.yaml:{at}: outputs[0].format: no stage tells good from bad, so there is nothing to pair; add a "
        "`verify` or `judge`",
        "format: dpo",
    ),
    "a verdict of a stage that comes later": Bad(
        put("stages.1.where", "verdicts.judge.passed"),
        'pipeline.yaml:{at}: stages[1].where: no stage "judge" stands before it; ',
        "where",
    ),
}


@pytest.mark.parametrize("bad", [pytest.param(bad, id=name) for name, bad in (SOURCES | FILES | ORDERS).items()])
def test_what_is_wrong_in_files_is_told_by_check_and_by_run(
    bad: Bad, project: Project, config: Config, refused: Refused
) -> None:
    bad.change(project, config)
    lines = project.write(config).read_text().splitlines()
    at = max((n for n, line in enumerate(lines, 1) if bad.at in line), default=0)
    said = refused(project.folder, "run", "pipeline.yaml", "--out", "run")
    assert bad.says.replace("{at}", str(at)) in said
    assert refused(project.folder, "check", "pipeline.yaml") == said


def test_every_mistake_is_told_at_once(project: Project, config: Config, refused: Refused) -> None:
    for bad in (FILES["an unknown key"], FILES["a key in the file"], ORDERS["a verdict of a stage that comes later"]):
        bad.change(project, config)
    project.write(config)
    said = refused(project.folder, "run", "pipeline.yaml", "--out", "run").splitlines()
    assert len(said) == 4
    assert said[-1] == "3 problems; nothing was called"


def test_a_file_that_is_no_pipeline(project: Project, config: Config, refused: Refused) -> None:
    folder = project.folder
    (folder / "empty.yaml").write_text("")
    (folder / "broken.yaml").write_text("name: x\nstages: [\n")
    assert refused(folder, "run", "nowhere.yaml").startswith("nowhere.yaml: there is no such file")
    assert refused(folder, "run", "empty.yaml").startswith("empty.yaml:1: this is not a pipeline; `tamis init")
    assert refused(folder, "run", "broken.yaml").startswith("broken.yaml:3: this is not YAML: ")
    assert "this is not" in refused(folder, "run", "seeds.jsonl")
    assert "Is a directory" in refused(folder, "run", ".")


def test_broken_lines_that_are_skipped_are_counted(project: Project, config: Config) -> None:
    seeds(seed(1), "{", seed(2), "[]", on_error="skip")(project, config)
    project.write(config)
    assert "2 seeds (2 broken rows left out)" in project.tamis("check", "pipeline.yaml")
    assert "2 read (2 broken rows left out)" in project.tamis("run", "pipeline.yaml", "--out", "run")
    manifest = project.manifest("run")
    assert (manifest["skipped_rows"], manifest["counts"]["seeds"]["read"]) == (2, 2)
    assert identities_hold(manifest)


def test_an_endpoint_that_does_not_answer(project: Project, config: Config, refused: Refused) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}/v1"
    put("endpoints.main.base_url", url)(project, config)
    project.write(config)
    said = refused(project.folder, "run", "pipeline.yaml", "--out", "run")
    assert said.startswith(f"endpoints.main: {url} cannot be reached (")
    assert said.endswith("see that the server runs and that base_url is right\n")


def test_a_key_that_is_not_accepted_is_named_and_not_shown(
    project: Project, config: Config, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(config)
    monkeypatch.setenv("SIM_KEY", "wrong-key-456")
    said = refused(project.folder, "run", "pipeline.yaml", "--out", "run")
    assert 'answered 401 "Incorrect API key' in said
    assert said.endswith("the key in SIM_KEY is not accepted\n")
    assert "wrong-key-456" not in said


def test_a_server_that_wants_a_key(project: Project, config: Config, refused: Refused) -> None:
    del config["endpoints"]["main"]["api_key_env"]
    project.write(config)
    assert "it wants a key: set api_key_env" in refused(project.folder, "run", "pipeline.yaml", "--out", "run")


def test_a_model_that_the_server_does_not_have(project: Project, config: Config, refused: Refused) -> None:
    put("endpoints.main.model", "simulatd")(project, config)
    project.write(config)
    said = refused(project.folder, "run", "pipeline.yaml", "--out", "run")
    url = config["endpoints"]["main"]["base_url"]
    assert said == (
        f'endpoints.main: {url} does not have the model "simulatd"; it has: simulated. Did you mean "simulated"?\n'
    )


OPTIONS = {
    "--limit 0": "Invalid value for '--limit'",
    "--limit many": "Invalid value for '--limit'",
    "--resume": "--resume: say which run goes on, with --out RUN_DIR",
    "--out seeds.jsonl": "--out seeds.jsonl: this is a file; name a folder",
    "--out seeds.jsonl/run": "--out seeds.jsonl/run: cannot make the folder: Not a directory",
    "--out run --reuse nowhere": "nowhere: there is no run here (ledger.sqlite is missing)",
    "--out run --set candidates": "--set candidates: write KEY=VALUE, for example stages.0.candidates=8",
    "--out run --set stages.9.candidates=8": '`stages` has no "9"; it has 6 entries, from 0 to 5',
    "--out run --set stages.0.candidates=many": 'stages[0].candidates: must be a whole number, not "many"',
    "--out run --set stages.0.candidats=8": 'unknown key "candidats"; did you mean "candidates"?',
    "--out run --engine ray": "--engine ray: not available yet",
    "--out run --log yaml": "Invalid value for '--log'",
    "--out run --metrics-port 70000": "Invalid value for '--metrics-port'",
    "--out run --resum": "No such option: --resum",
}


@pytest.mark.parametrize(("options", "says"), OPTIONS.items(), ids=OPTIONS)
def test_options_that_cannot_be(options: str, says: str, project: Project, config: Config, refused: Refused) -> None:
    project.write(config)
    assert says in refused(project.folder, "run", "pipeline.yaml", *options.split())


def test_a_metrics_port_that_is_taken(project: Project, config: Config, refused: Refused) -> None:
    project.write(config)
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        said = refused(project.folder, "run", "pipeline.yaml", "--out", "run", "--metrics-port", port)
    assert said.startswith(f"--metrics-port {port}: ")
    assert "in use; name another port, or 0 for any" in said


def test_an_interruption_before_the_first_call_leaves_nothing_behind(project: Project, config: Config) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        put("endpoints.main.base_url", f"http://127.0.0.1:{silent.getsockname()[1]}/v1")(project, config)
        project.write(config)
        silent.settimeout(30)
        process = project.start("run", "pipeline.yaml", "--out", "run")
        with closing(silent.accept()[0]):
            os.kill(process.pid, signal.SIGINT)
            out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (75, "", "stopped: interrupted; nothing was lost\n")
    assert not (project.folder / "run").exists()


def test_a_run_that_a_stage_refuses_as_it_starts_leaves_its_folder_free(project: Project, here: Here) -> None:
    """Only running a plugin's file shows that it cannot be loaded; mended, it is another run in the same folder."""
    plugin = project.folder / "checks.py"
    plugin.write_text("import nowhere\n\n\ndef right(response, row, fields): return True\n")
    project.rows("seeds.jsonl", [{"id": "a", "text": "b"}])
    project.write(
        {
            "source": {"type": "jsonl", "path": "seeds.jsonl", "id": "id", "candidates": "text"},
            "stages": [{"type": "verify", "check": "plugin", "function": "./checks.py:right"}],
        }
    )
    assert "No module named 'nowhere'" in here("run", "pipeline.yaml", "--out", "run", code=2)[1]
    plugin.write_text("def right(response, row, fields): return True\n")
    here("run", "pipeline.yaml", "--out", "run")
    assert [row["id"] for row in project.lines("run", "accepted.jsonl")] == ["a/0"]
    assert "holds a run already" in here("run", "pipeline.yaml", "--out", "run", code=2)[1]
