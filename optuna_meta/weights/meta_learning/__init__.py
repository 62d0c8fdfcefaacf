"""One start for many tasks: in come tasks, out go weights learned jointly, by Reptile or MAML."""
