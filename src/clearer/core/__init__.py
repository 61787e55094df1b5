"""The base of all other folders: errors, files, settings, devices, the registry."""
