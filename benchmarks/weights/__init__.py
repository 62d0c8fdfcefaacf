"""Starting weights: domains, methods, studies, peers and their report."""
