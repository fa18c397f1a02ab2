"""The rules of the house that import-linter, ruff and mypy cannot see."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from needs import ROOT, SHARED

from service.runs.plan import checked, scanned
from stages.judge.constitution import load_constitution

PACKAGES = ("config", "queues", "stages", "service")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in FILES}
TREES = {path: ast.parse(text) for path, text in TEXTS.items()}

DOORS = {
    "aiohttp": ("stages/llm/",),
    "aiohttp.http_exceptions": ("service/serve/errors.py", "service/serve/files.py"),
    "aiohttp.web": ("service/",),
    "asyncio_throttle": ("queues/pace.py",),
    "jinja2": ("stages/prompts/", "service/report/page.py"),
    "matplotlib": ("service/report/figures.py",),
    "openai": ("stages/llm/",),
    "prometheus_client": ("service/observe/",),
    "ray": (),
    "sqlite3": ("queues/ledger/", "queues/registry.py"),
    "structlog": ("service/observe/logs.py",),
}
"""A library and its one door: where in our packages it may be imported."""


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield every module that a file imports, wherever in it, with the line; `from a import b` as `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.lineno, f"{node.module}.{name.name}") for name in node.names)


def door_of(module: str) -> tuple[str, ...] | None:
    """Return where a module may be imported, by the longest name that has a door; None: anywhere."""
    parts = module.split(".")
    names = (".".join(parts[:size]) for size in range(len(parts), 0, -1))
    return next((DOORS[name] for name in names if name in DOORS), None)


def test_each_vendor_library_has_one_door() -> None:
    through_the_wall = [
        f"{path}:{line}: {module} belongs into {' or '.join(door) or 'no file yet'}"
        for path, tree in TREES.items()
        for line, module in imported(tree)
        if (door := door_of(module)) is not None and not path.startswith(door)
    ]
    assert through_the_wall == []


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import aiohttp", ("stages/llm/",)),
        ("def f():\n    from aiohttp import ClientSession", ("stages/llm/",)),
        ("from aiohttp import web", ("service/",)),
        ("from aiohttp.web import Request", ("service/",)),
        ("import ray.util as r", ()),
        ("import rayon, sqlite3x", None),
    ],
)
def test_imports_are_seen_wherever_they_stand(code: str, allowed: tuple[str, ...] | None) -> None:
    assert [door_of(module) for _, module in imported(ast.parse(code))][-1] == allowed


def test_no_file_is_longer_than_300_lines_and_no_function_than_60() -> None:
    long = [f"{path}: {lines} lines" for path, text in TEXTS.items() if (lines := len(text.splitlines())) > 300]
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                size = (node.end_lineno or 0) - node.lineno + 1
                if size > 60:
                    long.append(f"{path}:{node.lineno}: {node.name} has {size} lines")
    assert long == []


def committed() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout, so nobody knows what is committed")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


REGISTRIES = r"\b(p[y]pi|p[y]thonhosted|n[p]mjs)\.(org|com)\b|\bdeb\.d[e]bian\.org\b"


def test_no_committed_file_names_a_path_of_this_machine_or_the_host_of_a_registry() -> None:
    here = "|".join(rf"{re.escape(str(path))}\b" for path in (ROOT, SHARED))
    forbidden = re.compile(f"{here}|{REGISTRIES}")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip():.120}"
        for path in committed()
        for number, line in enumerate(path.read_bytes().decode("utf-8", "replace").splitlines(), 1)
        if forbidden.search(line)
    ]
    assert found == []


IGNORE = re.compile(r"#\s*(?:noqa(?::\s*[A-Z0-9, ]+)?|type:\s*ignore(?:\[[\w, -]*\])?|pragma: no cover)(?P<why>.*)")


def swallows(node: ast.ExceptHandler) -> bool:
    """Tell whether this catches whatever there is, and does not raise it again."""
    caught = {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)} if node.type else {"Exception"}
    broad = caught & {"Exception", "BaseException"}
    return bool(broad) and not any(isinstance(inside, ast.Raise) for inside in ast.walk(node))


def test_every_ignore_and_every_broad_except_has_its_reason_beside_it() -> None:
    bare = []
    for path, tree in TREES.items():
        lines = TEXTS[path].splitlines()
        reasons = {number: found["why"] for number, line in enumerate(lines, 1) if (found := IGNORE.search(line))}
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler) and swallows(node):
                reasons[node.lineno] = lines[node.lineno - 1].partition("#")[2]
        bare += [f"{path}:{number}" for number, why in reasons.items() if len(re.findall(r"\w+", why)) < 2]
    assert bare == []


EXAMPLES = sorted((ROOT / "examples").rglob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.relative_to(ROOT).as_posix() for path in EXAMPLES])
def test_every_example_passes_check(path: Path) -> None:
    if "\nstages:" in path.read_text():
        _, scan = scanned(checked(path))
        assert scan.rows
    else:
        assert load_constitution(str(path)).principles
