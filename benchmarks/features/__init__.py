"""Meta-features: of which kinds, how relevant, and what they are worth."""
