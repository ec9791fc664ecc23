"""Whether all that the program does works on a model of the user's own."""

from .results import Result
from .run import CHECKS, run_checks
from .subject import Subject, open_subject

__all__ = ["CHECKS", "Result", "Subject", "open_subject", "run_checks"]
