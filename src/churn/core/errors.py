"""Errors that a user can act on.

Each is shown as one line on stderr and exit code 2; anything else is a defect of this project.

::

    ChurnError
    ├── ParamsError      params.yaml, or an option that overrides it
    ├── DataError        the customer table: file, column, row
    ├── ArtifactError    a file of the pipeline that is missing or not what it should be
    ├── ChecksError      the deepchecks program could not be run
    ├── TrackingError    the MLflow server or store
    │   └── NoAnswerError  it does not answer
    ├── RegistryError    a version that is not there, or may not be moved
    │   ├── NotNowError    another release is under way, or was newer
    │   │   └── FasterError  another one was published first
    │   └── LostLockError  another release has taken over
    ├── BlockedError     a gate or a test has stopped a release: exit code 1
    │   └── RolledBackError  somebody has rolled it back, and it does not come again by itself
    ├── GitHubError      GitHub, or the program that asks it, refused
    ├── CandidateError   a packed candidate that is not what its manifest says
    ├── BaselineError    a baseline could not be had: its revision, its model
    └── IncomparableError  a baseline cannot be scored on the candidate's customers
"""


class ChurnError(Exception):
    """Base of the errors that a user can act on: say what is wrong, where, and what to do."""


class ParamsError(ChurnError):
    """A parameter is unknown, mistyped or contradicts another."""


class DataError(ChurnError):
    """The customer table cannot be used as it is."""


class ArtifactError(ChurnError):
    """A file that an earlier stage writes is missing or damaged."""


class ChecksError(ChurnError):
    """The checks' own program could not be found, or stopped without a result."""


class TrackingError(ChurnError):
    """MLflow could not be reached, or refused."""


class NoAnswerError(TrackingError):
    """MLflow does not answer; to ask it once more would only take as long again."""


class RegistryError(ChurnError):
    """A version is not there or may not be moved, or somebody else is moving one."""


class NotNowError(RegistryError):
    """Somebody else is moving a version, or a newer commit's model is there: nothing is wrong."""


class FasterError(NotNowError):
    """Somebody else has published a change of the registry first; this one is not kept."""


class LostLockError(RegistryError):
    """Somebody else has taken over, from what was not heard of for too long."""


class BlockedError(ChurnError):
    """A candidate is not released, and that is what its limits or its tests are for."""


class RolledBackError(BlockedError):
    """A candidate is a version that was rolled back; whoever wants it back moves it by hand."""


class GitHubError(ChurnError):
    """GitHub, or the program that asks it, refused."""


class CandidateError(ChurnError):
    """A packed candidate is damaged, incomplete, or belongs to other inputs."""


class BaselineError(ChurnError):
    """A baseline's revision or model could not be had."""


class IncomparableError(ChurnError):
    """A baseline exists, and cannot be scored on the candidate's customers."""
