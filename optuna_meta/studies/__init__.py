"""Prior studies as tasks in one cube: in come storages, studies, tables, out goes a ``Prior``."""
