"""Programs that mpiexec has started: whether that is so, and with how many ranks."""

import os

from .._base.lazy import imports
from .group import Group

#: What MPICH, Intel MPI, Open MPI and Slurm tell a process of its number.
_RANK_VARIABLES = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "MPI_LOCALRANKID")


def launched() -> Group | None:
    """The ranks that mpiexec or srun has started this program with; None for a single process.

    Raises
    ------
    ImportError
        They were started, but mpi4py is missing: they would all do the same.
    """
    if not any(name in os.environ for name in _RANK_VARIABLES):
        return None
    try:
        with imports:
            from mpi4py import MPI
    except ImportError as error:
        raise ImportError(
            "found ranks that mpiexec has started, but mpi4py cannot be imported "
            f"({error}): pip install 'densecore[mpi]', or mpi4py alone for the MPI that is there"
        ) from None
    return Group(MPI.COMM_WORLD) if MPI.COMM_WORLD.Get_size() > 1 else None
