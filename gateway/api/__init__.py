"""The public API: a row for each operation, from which routes and the description follow."""
