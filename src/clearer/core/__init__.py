"""What everything else stands on: errors, files, settings, devices, the registry."""
