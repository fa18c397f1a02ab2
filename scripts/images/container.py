"""A container from an unpacked image, run by crun as an engine would: its user, a read-only root, no capability.

The seccomp profiles are the one that Podman and Buildah come with, read for a process without capabilities as they read
it, and the same with the calls refused that Docker and containerd refuse besides.
"""

from __future__ import annotations

import json
import platform
import signal
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROFILE = Path("/usr/share/containers/seccomp.json")
SANDBOX = ("clone", "unshare", "mount", "umount2", "pivot_root")
"""The calls that the sandbox of code makes and that profiles guard."""
_ARCHITECTURES = {"x86_64": ("amd64", "SCMP_ARCH_X86_64"), "aarch64": ("arm64", "SCMP_ARCH_AARCH64")}
_HIDDEN = ("/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/sched_debug")
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_NAMESPACES = {"index": 0, "value": 0x7E020000, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}


def default_profile() -> dict[str, Any]:
    """Return the profile of Podman and Buildah in the runtime's words."""
    given = json.loads(PROFILE.read_text())
    short, name = _ARCHITECTURES[platform.machine()]
    others = next((one["subArchitectures"] for one in given["archMap"] if one["architecture"] == name), [])
    kept = ("names", "action", "errnoRet", "args")
    rules = [{key: rule[key] for key in kept if rule.get(key)} for rule in given["syscalls"] if _holds(rule, short)]
    errno = {"defaultErrnoRet": given["defaultErrnoRet"]} if "defaultErrnoRet" in given else {}
    return {"defaultAction": given["defaultAction"], **errno, "architectures": [name, *others], "syscalls": rules}


def guarded_profile(also: Sequence[str] = ()) -> dict[str, Any]:
    """Return it with what Docker and containerd refuse besides: namespaces and mounts. `also` are calls to allow."""
    profile = default_profile()
    refused = {*SANDBOX, "clone3", "setns", "umount", "sethostname"}
    rules = [{**rule, "names": [call for call in rule["names"] if call not in refused]} for rule in profile["syscalls"]]
    rules = [rule for rule in rules if rule["names"]]
    rules.append({"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38})
    if "clone" not in also:
        rules.append({"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [_NAMESPACES]})
    if also:
        rules.append({"names": list(also), "action": "SCMP_ACT_ALLOW"})
    return {**profile, "defaultErrnoRet": 1, "syscalls": rules}


def _holds(rule: Mapping[str, Any], architecture: str) -> bool:
    """Tell whether a rule is for a process without capabilities on this architecture."""
    wanted, unwanted = rule.get("includes") or {}, rule.get("excludes") or {}
    if wanted.get("caps") or architecture in unwanted.get("arches", ()):
        return False
    return not wanted.get("arches") or architecture in wanted["arches"]


@dataclass(frozen=True)
class Image:
    """An image's files, and what it says of how to run them."""

    root: Path
    config: Mapping[str, Any]

    @property
    def user(self) -> tuple[int, int]:
        uid, gid = map(int, self.config["User"].split(":"))
        return uid, gid


@dataclass
class Container:
    """One that runs. `process` is crun, and ends as what is inside ends."""

    name: str
    user: tuple[int, int]
    process: subprocess.Popen[str]

    def signal(self, number: int) -> None:
        subprocess.run([*_crun(), "kill", self.name, signal.Signals(number).name], check=True)

    def stop(self) -> int:
        """Tell it to end as an engine does; return the exit code."""
        self.signal(signal.SIGTERM)
        return self.process.wait(60)

    def does(self, *command: str) -> int:
        """Run a command inside, and return its exit code."""
        inside = [*_crun(), "exec", "--user", f"{self.user[0]}:{self.user[1]}", self.name, *command]
        return subprocess.run(inside, check=False, capture_output=True).returncode

    def status(self) -> dict[str, str]:
        """Return what the kernel says of the first process inside."""
        state = json.loads(subprocess.run([*_crun(), "state", self.name], check=True, capture_output=True).stdout)
        lines = Path(f"/proc/{state['pid']}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@dataclass(frozen=True)
class Engine:
    """Starts containers of an image. `folder` has their bundles and what they print; `/data` is `data`."""

    image: Image
    folder: Path
    data: Path
    seccomp: Mapping[str, Any] = field(default_factory=guarded_profile)

    @contextmanager
    def running(self, *words: str, mounts: Mapping[str, Path] | None = None) -> Iterator[Container]:
        """Run the image with these words behind its name, or with its own; `mounts` are read-only."""
        name = f"tamis-{uuid.uuid4().hex[:8]}"
        bundle = self.folder / name
        bundle.mkdir(parents=True)
        (bundle / "config.json").write_text(json.dumps(self._bundle(words, mounts or {})))
        with (self.folder / "containers.log").open("a") as log:
            command = [*_crun(), "run", "--bundle", str(bundle), name]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, text=True)
        try:
            yield Container(name, self.image.user, process)
        finally:
            subprocess.run([*_crun(), "delete", "--force", name], check=False, capture_output=True)
            process.wait(30)

    def ends(self, *words: str) -> tuple[int, str]:
        """Run the image to its end; return the exit code, and what it printed."""
        log = self.folder / "containers.log"
        before = len(log.read_text()) if log.exists() else 0
        with self.running(*words) as container:
            code = container.process.wait(300)
        return code, log.read_text()[before:]

    def _bundle(self, words: Sequence[str], mounts: Mapping[str, Path]) -> dict[str, Any]:
        config, (uid, gid) = self.image.config, self.image.user
        sets = ("bounding", "effective", "inheritable", "permitted", "ambient")
        return {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": uid, "gid": gid},
                "args": [*config["Entrypoint"], *(words or config["Cmd"])],
                "env": config["Env"],
                "cwd": config["WorkingDir"],
                "noNewPrivileges": True,
                "capabilities": dict.fromkeys(sets, ()),
            },
            "root": {"path": str(self.image.root), "readonly": True},
            "mounts": [
                *_kernel(),
                _bind("/data", self.data, "nosuid", "nodev"),
                *(_bind(target, source, "ro") for target, source in mounts.items()),
            ],
            "linux": {
                "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")],
                "maskedPaths": _HIDDEN,
                "readonlyPaths": _READ_ONLY,
                "seccomp": self.seccomp,
            },
        }


def _kernel() -> Iterator[dict[str, Any]]:
    """Yield what every container has: the kernel's folders, and memory at /tmp."""
    safe = ["nosuid", "noexec", "nodev"]
    yield {"destination": "/proc", "type": "proc", "source": "proc"}
    yield {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]}
    yield {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": [*safe, "mode=1777", "size=65536k"]}
    yield {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": [*safe, "mode=1777", "size=1g"]}


def _bind(target: str, source: Path, *options: str) -> dict[str, Any]:
    return {"destination": target, "type": "bind", "source": str(source), "options": ["rbind", *options]}


def _crun() -> list[str]:
    return ["crun", "--cgroup-manager=disabled"]
