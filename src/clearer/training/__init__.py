"""Training: the loop that search and training share, checkpoints, distributed runs, and the training job."""
