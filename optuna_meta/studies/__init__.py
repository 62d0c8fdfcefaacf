"""Prior studies as tasks in one cube: in come storages, studies and tables, out goes a ``Prior``."""
