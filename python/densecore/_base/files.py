"""Files that appear whole or not at all."""

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import BinaryIO

from . import checks
from .lazy import imports

StrPath = str | os.PathLike[str]


def _target(path: StrPath) -> str:
    """The file that `path` means; raises if no file can be written there.

    A device or a pipe could be replaced, by root at least, and would then be gone: ``/dev/null``
    for the whole system.
    """
    shown = checks.path("path", path)
    target = os.path.realpath(shown)
    if os.path.isdir(target):
        raise IsADirectoryError(f"{shown or repr(shown)}: is a directory, wanted a file")
    if os.path.exists(target) and not os.path.isfile(target):
        raise OSError(f"{shown}: is a device or a pipe, wanted a file")
    if not os.path.isdir(os.path.dirname(target)):
        raise FileNotFoundError(f"{shown}: there is no directory {os.path.dirname(shown) or '.'}")
    return target


def check_readable(path: StrPath) -> str:
    """The path of a file with a size, as a string.

    A pipe would be waited for, and a device may have no end.

    Raises
    ------
    OSError
        Naming the path: it is a directory, a device or a pipe. One that is not there is found when
        it is opened.
    """
    shown = checks.path("path", path)
    if os.path.isdir(shown):
        raise IsADirectoryError(f"{shown}: is a directory, wanted a file")
    if os.path.exists(shown) and not os.path.isfile(shown):
        raise OSError(f"{shown}: is a device or a pipe, wanted a file")
    return shown


def is_endless(path: str) -> bool:
    """Whether a path is a device of bytes such as ``/dev/zero``, and no terminal."""
    if not os.path.exists(path) or not stat.S_ISCHR(os.stat(path).st_mode):
        return False
    with open(path, "rb", buffering=0) as device:
        return not device.isatty()


def check_writable(path: StrPath) -> None:
    """Raise now what writing `path` would raise later, after all the work.

    Raises
    ------
    OSError
        Naming the path and the reason: no such directory, a directory itself, no permission.
    """
    shown, directory = checks.path("path", path), os.path.dirname(_target(path))
    with imports:
        import tempfile  # as below: `import densecore` does not pay for it

    # Only a try tells: permission bits say nothing to root, nor of a read-only file system.
    try:
        with tempfile.NamedTemporaryFile(dir=directory, prefix=".densecore-"):
            pass
    except OSError as error:
        raise type(error)(f"{shown}: cannot write to its directory ({error.strerror})") from None


def check_overwrite(path: StrPath, overwrite: bool) -> None:
    """Raise FileExistsError where a file must not be replaced, and there is one."""
    if not overwrite and os.path.exists(path):
        raise FileExistsError(f"{os.fspath(path)}: found a file there, wanted none")


def _permissions(path: str) -> int:
    """The replaced file's permissions; a new one has 0666 without the process's mask."""
    with contextlib.suppress(FileNotFoundError):
        return stat.S_IMODE(os.stat(path).st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _sync_directory(directory: str) -> None:
    """The rename itself must reach the disk; only POSIX lets a directory be synchronised."""
    if os.name != "posix":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def atomic_writer(path: StrPath) -> Iterator[BinaryIO]:
    """A binary file that takes the place of `path` when the block ends without an exception.

    Until then, and after any exception, an existing file is as it was. A symbolic link stays one:
    the file that it points to is replaced.
    """
    with imports:
        import tempfile

    target = _target(path)
    directory = os.path.dirname(target)
    descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=".densecore-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _permissions(target))
        os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.filename is None:  # a full disk: name the file
            error.filename = os.fspath(path)
        raise
    _sync_directory(directory)
