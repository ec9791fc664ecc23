"""Checks that the whole program works on a user's own model, each in a second way."""

from .results import Result
from .run import CHECKS, run_checks
from .subject import Subject, open_subject

__all__ = ["CHECKS", "Result", "Subject", "open_subject", "run_checks"]
