"""One model on many machines, through an engine that is there: MPI by mpi4py, torch.distributed.

``model.fit(x, y, comm=MPI.COMM_WORLD)`` is all that a script changes. No engine is imported here: a
communicator of one means that its engine has been.
"""

from .comm import Comm, Serial, as_comm
from .group import Group, RankError
from .launched import launched
from .threads import Threads, run_threads

__all__ = ["Comm", "Group", "RankError", "Serial", "Threads", "as_comm", "launched",
           "run_threads"]  # fmt: skip
