"""A checkpoint into a model: what fits is copied, and told."""
