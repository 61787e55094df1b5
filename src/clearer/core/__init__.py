"""The foundations that all other folders use: errors, files, settings, devices and the registry."""
