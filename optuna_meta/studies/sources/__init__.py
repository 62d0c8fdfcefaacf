"""Results that others have written -> found studies -> raw studies."""
