"""Every error this project raises on purpose, with the exit code its command ends with.

A message says what was found, what was expected, where, and what to do about it.
"""

from __future__ import annotations


class RecsysError(Exception):
    """Root of all errors that a user can act on."""

    exit_code = 1


class SettingsError(RecsysError):
    """A settings file is missing, unreadable, or holds an unknown or impossible value."""

    exit_code = 2


class ContractError(RecsysError):
    """A table does not have the columns, types or keys that its contract declares."""

    exit_code = 3


class SourceError(RecsysError):
    """An input could not be read, or is empty."""

    exit_code = 4


class NotFoundError(RecsysError):
    """A table, release, user or item that was asked for does not exist."""

    exit_code = 5


class AuditError(RecsysError):
    """What a refresh made is not fit to be published."""

    exit_code = 6


class TrainingError(RecsysError):
    """Training did not finish, or its ranks disagree."""

    exit_code = 7


class PrerequisiteError(RecsysError):
    """The machine lacks something the job needs."""

    exit_code = 8


class ConflictError(RecsysError):
    """Another driver took the run over, or committed to the same table at the same moment."""

    exit_code = 9
