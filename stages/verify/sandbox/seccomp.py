"""Seccomp filters, built by hand: which system calls are refused, as the BPF programs that the kernel reads.

Two filters. `everything` holds for all that runs in the sandbox: no sockets, no namespaces and mounts, no kernel
interfaces that a function has no use for, no memory that outlives its mapping and escapes the limits. `code` comes on
top for the code itself: one process, one thread, no other program, no signals. A refused call answers EPERM; a call of
another architecture, whose numbers mean something else, kills. The numbers are those of the kernel's own tables.
"""

from __future__ import annotations

import errno
import platform
import struct
from typing import Final

_ALLOW, _REFUSE, _UNKNOWN, _KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS, 0x80000000
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data; both machines are little-endian
_X32 = 0x40000000  # the x32 calls of x86-64 begin here
_NEW_NAMESPACES = 0x7E020080  # CLONE_NEWNS .. CLONE_NEWNET, CLONE_NEWTIME


MACHINES: Final = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""What the kernel calls an architecture in its records, and the column of its numbers below."""

_Calls = dict[str, tuple[int | None, int | None]]
_Instruction = tuple[int, int, int, int]
"""Code, how many instructions to skip if true and if false, operand: struct sock_filter."""

# name: its number on x86-64, on aarch64; None where there is no such call
EVERYTHING: Final[_Calls] = {
    **{"socket": (41, 198), "connect": (42, 203), "bind": (49, 200)},
    **{"ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272)},
    **{"pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "process_madvise": (440, 440)},
    **{"unshare": (272, 97), "setns": (308, 268), "chroot": (161, 51), "pivot_root": (155, 41)},
    **{"mount": (165, 40), "umount2": (166, 39), "open_tree": (428, 428), "move_mount": (429, 429)},
    **{"fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433)},
    **{"mount_setattr": (442, 442), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265)},
    **{"add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219)},
    **{"bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "fanotify_init": (300, 262)},
    **{"io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427)},
    **{"init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106)},
    **{"kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142), "acct": (163, 89)},
    **{"swapon": (167, 224), "swapoff": (168, 225), "quotactl": (179, 60), "syslog": (103, 116)},
    **{"settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171), "clock_adjtime": (305, 266)},
    **{"iopl": (172, None), "ioperm": (173, None), "modify_ldt": (154, None), "personality": (135, 92)},
    **{"shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180)},
    **{"memfd_create": (319, 279), "memfd_secret": (447, 447)},
}
CODE: Final[_Calls] = {
    **{"fork": (57, None), "vfork": (58, None), "clone": (56, 220), "execve": (59, 221), "execveat": (322, 281)},
    **{"kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "pidfd_send_signal": (424, 424)},
    **{"rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "prlimit64": (302, 261)},
}
CLONE: Final = (56, 220)
_CLONE3: Final = 435  # its flags lie in memory, out of a filter's sight: "no such call" makes libraries use clone


def filter_for_everything(machine: str = platform.machine()) -> bytes:
    """Return the program for the whole sandbox. New processes may be made in it, but no new namespaces."""
    clone = (
        (_IF_EQUAL, 0, 1, _CLONE3),
        (_RETURN, 0, 0, _UNKNOWN),
        (_IF_EQUAL, 0, 4, CLONE[MACHINES[machine][1]]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_IF_ANY_BIT, 0, 1, _NEW_NAMESPACES),
        (_RETURN, 0, 0, _REFUSE),
        (_LOAD, 0, 0, _NUMBER),
    )
    return _program(EVERYTHING, machine, clone)


def filter_for_code(machine: str = platform.machine()) -> bytes:
    """Return the program that the code itself gets on top."""
    return _program(CODE, machine)


def _program(calls: _Calls, machine: str, first: tuple[_Instruction, ...] = ()) -> bytes:
    audit, column = MACHINES[machine]
    refused = [number for numbers in calls.values() if (number := numbers[column]) is not None]
    instructions: list[_Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IF_EQUAL, 1, 0, audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_IF_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _KILL),
        *first,
        *(step for number in refused for step in ((_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REFUSE))),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in instructions)
