"""Images: in comes a sample of them, out go named numbers of pixels, classes and dimension."""
