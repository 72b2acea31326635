"""What a process may be deprived of before it starts: permissions that a superuser has, room on the disk, the right time."""

import ctypes
import resource
from datetime import timedelta

CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION = 0x20080522
"""_LINUX_CAPABILITY_VERSION_3 of capget(2)."""


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Capabilities(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def bound_by_permissions() -> None:
    """Even a superuser is bound by a file's permissions without this capability."""
    system, header, sets = ctypes.CDLL(None, use_errno=True), _Header(CAPABILITY_VERSION, 0), (_Capabilities * 2)()
    system.capget(ctypes.byref(header), ctypes.byref(sets))
    for name in ("effective", "permitted"):
        setattr(sets[0], name, getattr(sets[0], name) & ~(1 << CAP_DAC_OVERRIDE))
    system.capset(ctypes.byref(header), ctypes.byref(sets))


def no_room() -> None:
    """No file may grow beyond what the database has already: as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))


def clock_off_by(hours: float) -> None:
    """The process sees a clock that is wrong."""
    from jobs import services

    right = services.wall_clock
    services.wall_clock = lambda: right() + timedelta(hours=hours)
