"""The command line of the sandbox: what bubblewrap shuts out, and what little it lets be seen."""

from __future__ import annotations

import marshal
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from stages.verify.sandbox import inside

_BOOT = """
import marshal, sys
for name, code in marshal.loads({modules!r}):
    sys.modules[name] = module = type(sys)(name)
    exec(code, module.__dict__)
module.main(*{arguments!r})
"""


def command(program: str, disk_bytes: int, *arguments: object) -> list[str]:
    """Return the command that runs `inside.main` with these arguments in a sandbox whose tmpfs holds `disk_bytes`."""
    return [program, *_sandbox(disk_bytes), *_python(arguments)]


def _sandbox(disk_bytes: int) -> Iterator[str]:
    yield from ("--unshare-all", "--unshare-user", "--die-with-parent", "--new-session")
    if not _in_container():
        yield from ("--disable-userns", "--hostname", "sandbox")
    yield from ("--clearenv", "--cap-drop", "ALL", "--uid", "65534", "--gid", "65534")
    yield from ("--setenv", "PYTHONHASHSEED", "0", "--setenv", "LANG", "C.UTF-8")
    yield from _libraries()
    yield from ("--dev", "/dev")
    yield from ("--size", str(disk_bytes), "--tmpfs", "/tmp", "--chdir", "/tmp")  # noqa: S108  the sandbox's own
    yield from ("--remount-ro", "/dev", "--remount-ro", "/")  # both are writable memory otherwise, without a limit


def _in_container() -> bool:
    """Tell whether /proc/sys is read-only, as engines make it.

    There bubblewrap cannot set the number of namespaces to 0, so that seccomp alone refuses the code any, and engines
    refuse the call that would hide the container's name.
    """
    return bool(os.statvfs("/proc/sys").f_flag & os.ST_RDONLY)


def _libraries() -> Iterator[str]:
    """Yield what shows the system's libraries and this Python's standard library, and nothing that was installed."""
    for name in ("/usr/lib", "/usr/lib64"):
        yield from ("--ro-bind-try", name, name)
    for name in ("/lib", "/lib64"):
        if Path(name).is_symlink():
            yield from ("--symlink", os.readlink(name), name)  # noqa: PTH115  the text of the link, relative
        else:
            yield from ("--ro-bind-try", name, name)
    standard = Path(sysconfig.get_path("stdlib"))
    library = standard.parent
    if not standard.is_relative_to("/usr/lib"):
        yield from ("--ro-bind", str(standard), str(standard))
        for shared in library.glob("libpython*.so*"):
            yield from ("--ro-bind", str(shared), str(shared))
    for installed in (standard / "site-packages", Path("/usr/lib/python3/dist-packages")):
        if installed.is_dir():
            yield from ("--perms", "0555", "--size", "4096", "--tmpfs", str(installed))
    yield from ("--setenv", "LD_LIBRARY_PATH", str(library))
    yield from ("--ro-bind", _interpreter(), _interpreter())


def _interpreter() -> str:
    """Return the file of the Python that this one was made from: a virtual environment has only a link to it."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    installed = Path(sys.base_prefix, "bin", version)
    return str((installed if installed.exists() else Path(sys.executable)).resolve())


def _python(arguments: tuple[object, ...]) -> Iterator[str]:
    """Yield the command that runs the modules of `inside`, compiled already: that is a fifth of what a run costs."""
    folder = Path(inside.__file__).parent
    modules = [
        (f"{inside.__name__}.{name}", compile((folder / f"{name}.py").read_bytes(), name, "exec", dont_inherit=True))
        for name in inside.MODULES
    ]
    yield from ("--", _interpreter(), "-I", "-S", "-B", "-X", "utf8")
    yield from ("-c", _BOOT.format(modules=marshal.dumps(modules), arguments=arguments))
