"""Several models into one: aligned, averaged, souped, or an ensemble of their predictions."""
