"""Images in and out of files, nothing lost."""
