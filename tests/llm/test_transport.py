"""The wire: proxies, certificates, limits, and nothing of the environment."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest
from needs import need_program
from scripted_server import Make, Run, ScriptedServer, Serve, a_call, completion

from stages.core.errors import CandidateError, InputError, RunStopped
from stages.llm import transport


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a self-made certificate for 127.0.0.1 and its key."""
    folder = tmp_path_factory.mktemp("tls")
    command = [need_program("openssl"), "req", "-x509", "-nodes", "-days", "2", "-newkey", "rsa:2048"]
    names = ["-subj", "/CN=tamis test", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", folder / "key", "-out", folder / "cert"]
    subprocess.run([*command, *names, *files], check=True, capture_output=True)
    return folder / "cert", folder / "key"


@pytest.fixture
async def tls_server(serve: Serve, certificate: tuple[Path, Path]) -> ScriptedServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return await serve(context)


async def test_a_ca_of_ones_own_is_trusted(
    tls_server: ScriptedServer, certificate: tuple[Path, Path], make: Make
) -> None:
    async with make(tls_server.base_url, ca_file=str(certificate[0])) as endpoint:
        assert (await endpoint.ask(a_call())).text == "42"


async def test_an_unknown_certificate_is_not_trusted(tls_server: ScriptedServer, make: Make, run: Run) -> None:
    async with make(tls_server.base_url) as endpoint:
        with pytest.raises(RunStopped, match="main has no certificate to trust") as error:
            await endpoint.ask(a_call())
    assert "ca_file" in error.value.remedy
    assert (tls_server.seen, run.slept) == ([], [])


async def test_a_ca_file_that_cannot_be_read_says_so(tmp_path: Path, make: Make) -> None:
    (tmp_path / "ca").write_text("no certificate")
    for name in ("ca", "absent"):
        with pytest.raises(InputError, match=f"ca_file: cannot read certificates from .*{name}"):
            make("https://127.0.0.1/v1", ca_file=str(tmp_path / name))


async def test_a_proxy_is_asked_for_what_only_it_can_reach(server: ScriptedServer, make: Make) -> None:
    """The scripted server stands in for the proxy: an HTTP proxy gets the whole address in the request line."""
    async with make("http://model.invalid/v1", proxy=server.base_url.removesuffix("/v1")) as endpoint:
        assert (await endpoint.ask(a_call())).text == "42"
    assert server.seen[0].headers["Host"] == "model.invalid"
    assert server.seen[0].path == "/v1/chat/completions"


async def test_proxies_of_the_environment_are_not_used(
    server: ScriptedServer, serve: Serve, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = await serve()
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.base_url)
    async with make(server.base_url) as endpoint:
        await endpoint.ask(a_call())
    assert (len(server.seen), proxy.seen) == (1, [])


async def test_a_reply_is_read_up_to_a_limit_and_no_further(
    server: ScriptedServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "REPLY_MAX", 300_000)
    server.script = [server.json(completion("x" * 5_000_000))] * 5 + [server.json(completion("x" * 200_000))]
    async with make(server.base_url) as endpoint:
        with pytest.raises(CandidateError, match="longer than 300,000 bytes"):
            await endpoint.ask(a_call())
        assert len((await endpoint.ask(a_call())).text) == 200_000


async def test_a_reply_in_many_packets_is_put_together(server: ScriptedServer, make: Make) -> None:
    text = "é" * 1_000_000
    server.script = [server.json(completion(text))]
    async with make(server.base_url) as endpoint:
        assert (await endpoint.ask(a_call())).text == text


async def test_connections_are_used_again(server: ScriptedServer, make: Make) -> None:
    async with make(server.base_url) as endpoint:
        for seed in range(5):
            await endpoint.ask(a_call(seed=seed))
    assert len({seen.peer for seen in server.seen}) == 1
