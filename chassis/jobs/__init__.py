"""Jobs: work that is too slow, too often repeated or too far away for a command's transaction."""
