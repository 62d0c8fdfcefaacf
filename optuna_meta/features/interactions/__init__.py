"""User-item interactions: in come users, items and ratings, out go named numbers."""
