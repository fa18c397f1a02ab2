"""Code that nobody trusts, in a whole run: tests decide, and what falls says why."""

from __future__ import annotations

from needs import need_program
from whole_runs import Project, identities_hold


def test_given_code_is_run_against_its_tests_and_the_right_one_stays(project: Project) -> None:
    need_program("bwrap")
    tests = "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate('a') == 'aa'"
    codes = ["def double(x): return x * 2", "def double(x): return x + 2", "print(open('/etc/passwd').read())"]
    project.rows("seeds.jsonl", [{"id": "double", "task": "Double it.", "codes": codes, "test": tests}])
    project.write(
        {
            "source": {"type": "jsonl", "path": "seeds.jsonl", "id": "id", "candidates": "codes"},
            "stages": [{"type": "verify", "check": "python", "tests": "{{ test }}", "entry_point": "double"}],
            "outputs": [{"format": "sft", "prompt": "{{ task }}"}],
        }
    )
    project.tamis("run", "pipeline.yaml", "--out", "run")
    assert [row["id"] for row in project.lines("run", "accepted.jsonl")] == ["double/0"]
    rejected = {row["id"]: (row["reason"], row["detail"]) for row in project.lines("run", "rejected.jsonl")}
    assert rejected == {
        "double/1": ("error", 'TypeError: can only concatenate str (not "int") to str'),
        "double/2": ("error", "FileNotFoundError: [Errno 2] No such file or directory: '/etc/passwd'"),
    }
    assert identities_hold(project.manifest("run"))
