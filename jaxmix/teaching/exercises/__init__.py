"""Exercises of the course: a solution, the mistakes in circulation, and what checks a student's.

notes/common-mistakes.md shows each mistake beside the right line.
"""

from jaxmix.teaching.exercises.checking import Finding, Report, check
from jaxmix.teaching.exercises.mistakes import MISTAKES, Mistake
from jaxmix.teaching.exercises.process import check_file

__all__ = ["MISTAKES", "Finding", "Mistake", "Report", "check", "check_file"]
