"""Everything that can go wrong, as a tree.

LimnerError
├── Refused                 the asker's doing; nothing was changed; told to the asker
│   ├── BadRequest          one or more fields are wrong
│   ├── NotFound            no such job or image, or none that the asker may see
│   ├── AlreadyOver         a job that ended cannot be cancelled
│   ├── Forbidden           only admins or moderators may do this
│   ├── Blocked             the admins of this space take nothing from this requester
│   ├── SpacePaused         the admins of this space take nothing new from it
│   ├── PlaceClosed         the admins of this space take requests in other places of it
│   ├── AskedTooMuch        more than the rules of this space allow
│   ├── WordsRefused        words that may not be asked for, here or anywhere
│   ├── ImageHeld           an image that waits for a moderator
│   ├── NobodyHears         this space has no place where moderators hear of reports
│   ├── AlreadyDecided      another moderator was faster
│   ├── AgeRestricted       an image from among adults does not leave them
│   ├── QueueFull           come back later
│   │   └── ShareFull       the places that are left are for others
│   └── ShuttingDown        the program is stopping and takes nothing new
├── JobFailed               this job failed; the others go on
├── JobCancelled            the executor dropped this job because it was told to
├── WorkerDied              the worker that held this job is gone and is being replaced
├── ImageFileLost           the index names a file that is missing or damaged
├── StorageTrouble          the disk or the database does nothing just now; nothing was changed
│   └── DiskFull            there is no room left
├── CareRefused             `limner db` did not do what it was told to do
└── CannotStart             the program cannot start as it is set up
    ├── DatabaseTooNew      the database was written by a newer Limner
    └── DataFolderInUse     another Limner works on this data folder
"""

import dataclasses
from collections.abc import Collection, Mapping
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
    """One field that is wrong, and a sentence that says what is allowed.

    Kind and values are that sentence again, for whoever says it in other words; so two with one sentence are equal.
    """

    field: str
    message: str
    #: What is wrong with the field, in snake_case; stable.
    kind: str = dataclasses.field(default="", compare=False)
    #: What the sentence names: limits, what was said, what there is.
    values: Mapping[str, object] = dataclasses.field(default_factory=dict, compare=False)


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


class Forbidden(Refused):
    """Only those who run this place may do this."""

    code = "forbidden"

    def __init__(self) -> None:
        super().__init__("Only admins of this place may do this.")


class Blocked(Refused):
    """The admins of this space take nothing from this requester."""

    code = "blocked"

    def __init__(self) -> None:
        super().__init__("The admins here have blocked you from painting. They can unblock you.")


class SpacePaused(Refused):
    """The admins of this space take nothing new until they resume it."""

    code = "paused"

    def __init__(self) -> None:
        super().__init__("The admins have paused painting here. What was accepted before is still painted.")


class PlaceClosed(Refused):
    """The admins of this space take requests in some places only."""

    code = "place_closed"

    def __init__(self, places: Collection[str]) -> None:
        super().__init__("The admins allow painting in other channels only.")
        #: Where it is allowed.
        self.places = sorted(places)


class AskedTooMuch(Refused):
    """The request is beyond what the admins of this space allow."""

    code = "asked_too_much"

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"The admins here allow {limit} {what} at most.")
        #: `images` or `steps` of one request, or unfinished `jobs` of one requester.
        self.what = what
        self.limit = limit


class AgeRestricted(Refused):
    """What was made among adults is shown and refined only where they are among themselves."""

    code = "age_restricted"

    def __init__(self) -> None:
        super().__init__("This image was made in an age-restricted channel, and can be used only in such channels.")


class WordsRefused(Refused):
    """What was asked for has words in it that the admins of this space, or every Limner, refuse.

    Neither the words nor the rule are repeated.
    """

    code = "words_refused"

    def __init__(self, number: int, *, shipped: bool) -> None:
        everywhere = f"No Limner paints this: rule {number} of the list that holds everywhere. Nobody can change that."
        here = f"The admins here do not allow some of these words: rule {number} of their list. They can change it."
        super().__init__(everywhere if shipped else here)
        #: Of its list, counted from 1.
        self.number = number
        #: Of the list that holds everywhere.
        self.shipped = shipped


class ImageHeld(Refused):
    """The image check flagged this image, and a moderator of its space has not approved it yet."""

    code = "image_held"

    def __init__(self) -> None:
        super().__init__("This image waits for a moderator, who has not approved it yet.")


class NobodyHears(Refused):
    """Nothing can be held and no report is heard until the admins name a channel for reports."""

    code = "nobody_hears"

    def __init__(self) -> None:
        super().__init__("The admins have not said in which channel moderators hear of reports.")


class AlreadyDecided(Refused):
    """A moderator has decided on this image before."""

    code = "already_decided"

    def __init__(self) -> None:
        super().__init__("A moderator has decided on this image already.")


class QueueFull(Refused):
    """The queue holds as many jobs as it may."""

    code = "queue_full"

    def __init__(self, limit: int, retry_after: int) -> None:
        super().__init__(f"The queue is full ({limit} jobs wait). Please try again in {retry_after} seconds.")
        self.retry_after = retry_after


class ShareFull(QueueFull):
    """The queue is nearly full, and what is left of it is kept for requesters, or spaces, that have less in it."""

    code = "share_full"

    def __init__(self, whose: str, waiting: int, retry_after: int) -> None:
        super().__init__(waiting, retry_after)
        who = "You have" if whose == "requester" else "This place has"
        left = "the places that are left are for those who have fewer"
        self.args = (f"{who} {waiting} jobs in the queue, and {left}. Please try again in {retry_after} seconds.",)
        #: `requester` or `space`.
        self.whose = whose
        #: Jobs in the queue.
        self.waiting = waiting


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
    """An image stands in the index, but its file is missing or damaged; `limner db check` finds all of them.

    Restore the image folder from a backup.
    """

    code = "image_file_lost"

    def __init__(self, image_id: str) -> None:
        super().__init__(f"The file of image {image_id} is missing or damaged on the server's disk.")
        self.image_id = image_id


class StorageTrouble(LimnerError):
    """The disk or the database refuses: read-only, locked by another program, damaged. `limner db check` says more.

    What was asked for was not done. Limner goes on by itself once the disk does.
    """

    code = "storage_unavailable"

    def __init__(self, why: str) -> None:
        super().__init__("Limner cannot use its disk at the moment, so nothing was changed. Please try again later.")
        #: For the operator.
        self.why = why


class DiskFull(StorageTrouble):
    """The disk of the data folder is full: make room. Limner goes on by itself then."""

    code = "disk_full"

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.args = ("Limner's disk is full, so nothing new can be kept. Please try again later.",)


class CareRefused(LimnerError):
    """A backup cannot be made or put in place, or the index cannot be cared for as it is. Nothing was changed."""

    code = "care_refused"


class CannotStart(LimnerError):
    """Limner cannot start with these settings."""

    code = "cannot_start"


class DatabaseTooNew(CannotStart):
    """The database knows migrations that this program does not: start the newer Limner, or restore a backup."""

    code = "database_too_new"


class DataFolderInUse(CannotStart):
    """Two programs on one queue would run each job twice: stop the other one, or set LIMNER_DATA_DIR."""

    code = "data_folder_in_use"
