"""What the applications share: tasks and an objective come in, studies and a table go out."""

from examples.common.application import Application
from examples.common.application import Job
from examples.common.application import Options
from examples.common.application import parse
from examples.common.application import Task
from examples.common.compare import compare


__all__ = ["Application", "Job", "Options", "Task", "compare", "parse"]
