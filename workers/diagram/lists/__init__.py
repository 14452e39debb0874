"""Lists of diagrams."""
