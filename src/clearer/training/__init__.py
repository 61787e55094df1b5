"""The weight loop, schedules, checkpoints, the folder of a run."""
