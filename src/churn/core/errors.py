"""Errors that a user can act on.

The command line shows each as one line on stderr and exits with 2. Any other exception is a bug.

::

    ChurnError
    ├── ParamsError      params.yaml, or an option that overrides it
    ├── DataError        the customer table: file, column, row
    ├── ArtifactError    a file of the pipeline that is missing or not what it should be
    ├── ExplanationError  there are no reasons for this model's predictions
    ├── ChecksError      the program that runs deepchecks could not be run
    ├── TrackingError    the MLflow server or store
    │   └── NoAnswerError  it does not answer
    ├── RegistryError    a version does not exist or may not be moved
    │   ├── NoTrialError   no version is on trial
    │   ├── NotNowError    another release is under way, or Production is newer
    │   │   └── FasterError  another process has published a change first
    │   └── LostLockError  another process has taken over the lock
    ├── BlockedError     a gate or a test blocks a release: exit code 1
    │   └── RolledBackError  the version was rolled back, and is only released by hand
    ├── GitHubError      GitHub, or the program that asks it, refused
    ├── CandidateError   a packed candidate differs from its manifest
    ├── BaselineError    the revision or the model of a baseline is unavailable
    └── IncomparableError  a baseline cannot be scored on the candidate's customers
"""


class ChurnError(Exception):
    """Base of the errors that a user can act on: what is wrong, where, and what to do."""


class ParamsError(ChurnError):
    """A parameter is unknown, mistyped or contradicts another."""


class DataError(ChurnError):
    """The customer table cannot be used as it is."""


class ArtifactError(ChurnError):
    """A file that an earlier stage writes is missing or damaged."""


class ExplanationError(ChurnError):
    """There are no reasons for this model's predictions, or they do not sum to them."""


class ChecksError(ChurnError):
    """The program that runs deepchecks was not found, or stopped without a result."""


class TrackingError(ChurnError):
    """MLflow could not be reached, or refused a request."""


class NoAnswerError(TrackingError):
    """MLflow does not answer; asking again would take as long."""


class RegistryError(ChurnError):
    """A version does not exist, may not be moved, or another process is moving one."""


class NoTrialError(RegistryError):
    """No version is on trial."""


class NotNowError(RegistryError):
    """Another release is under way, or Production has a newer commit's model; nothing is broken."""


class FasterError(NotNowError):
    """Another process has published a change of the registry first; this change is discarded."""


class LostLockError(RegistryError):
    """The lock has expired, and another process has taken it over."""


class BlockedError(ChurnError):
    """A gate or a test blocks the release of a candidate."""


class RolledBackError(BlockedError):
    """The candidate is a version that was rolled back; promote it by hand to release it anyway."""


class GitHubError(ChurnError):
    """GitHub, or its command line `gh`, refused a request."""


class CandidateError(ChurnError):
    """A packed candidate is damaged, incomplete, or belongs to other inputs."""


class BaselineError(ChurnError):
    """The revision or the model of a baseline is unavailable."""


class IncomparableError(ChurnError):
    """A baseline cannot be scored on the candidate's customers."""
