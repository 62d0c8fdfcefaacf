"""A request becomes the best row: in comes what is known of a trial, out goes a configuration."""
