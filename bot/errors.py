"""Everything that can go wrong, as a tree.

LimnerError
├── Refused                 the asker's doing; nothing was changed; told to the asker
│   ├── BadRequest          one or more fields are wrong
│   ├── NotFound            no such job or image, or none that the asker may see
│   ├── AlreadyOver         a job that ended cannot be cancelled
│   ├── QueueFull           come back later
│   └── ShuttingDown        the program is stopping and takes nothing new
├── JobFailed               this job failed; the others go on
├── JobCancelled            the executor dropped this job because it was told to
├── WorkerDied              the worker that held this job is gone and is being replaced
├── ImageFileLost           the index names a file that is missing or damaged
└── CannotStart             the program cannot start as it is set up
    ├── DatabaseTooNew      the database was written by a newer Limner
    └── DataFolderInUse     another Limner works on this data folder
"""

from dataclasses import dataclass


class LimnerError(Exception):
    """Something in Limner went wrong."""

    #: Stable and machine-readable; adapters and clients rely on it.
    code = "internal_error"


class Refused(LimnerError):
    """The request cannot be accepted as it is."""

    code = "refused"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One field that is wrong, and a sentence that says what is allowed."""

    field: str
    message: str


class BadRequest(Refused):
    """The request has mistakes in it."""

    code = "invalid_request"

    def __init__(self, *mistakes: Mistake) -> None:
        super().__init__(" ".join(mistake.message for mistake in mistakes))
        self.mistakes = mistakes


class NotFound(Refused):
    """There is no such job or image, or none that this asker may see; which of the two is not told."""

    code = "not_found"

    def __init__(self, kind: str) -> None:
        super().__init__(f"There is no {kind} with this ID.")
        self.kind = kind


class AlreadyOver(Refused):
    """The job ended before it could be cancelled."""

    code = "job_already_over"

    def __init__(self, status: str) -> None:
        super().__init__(f"This job is already {status}; there is nothing left to cancel.")
        self.status = status


class QueueFull(Refused):
    """The queue holds as many jobs as it may."""

    code = "queue_full"

    def __init__(self, limit: int, retry_after: int) -> None:
        super().__init__(f"The queue is full ({limit} jobs wait). Please try again in {retry_after} seconds.")
        self.retry_after = retry_after


class ShuttingDown(Refused):
    """The program is stopping: it finishes what runs and takes nothing new."""

    code = "shutting_down"

    def __init__(self) -> None:
        super().__init__("Limner is restarting. What is queued stays queued; please try again in a minute.")


class JobFailed(LimnerError):
    """This job could not be painted. `code` says which kind of failure it was."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class JobCancelled(LimnerError):
    """The job was dropped between two steps, as it was cancelled."""

    code = "cancelled"


class WorkerDied(LimnerError):
    """The worker process ended while it held the job."""

    code = "worker_died"


class ImageFileLost(LimnerError):
    """An image stands in the index, but its file is missing or damaged. Restore the image folder from a backup."""

    code = "image_file_lost"

    def __init__(self, image_id: str) -> None:
        super().__init__(f"The file of image {image_id} is missing or damaged on the server's disk.")
        self.image_id = image_id


class CannotStart(LimnerError):
    """Limner cannot start with these settings."""

    code = "cannot_start"


class DatabaseTooNew(CannotStart):
    """The database knows migrations that this program does not: start the newer Limner, or restore a backup."""

    code = "database_too_new"


class DataFolderInUse(CannotStart):
    """Two programs on one queue would run each job twice: stop the other one, or set LIMNER_DATA_DIR."""

    code = "data_folder_in_use"
