"""Training: the loop that search and training share, checkpoints, several processes, and the training job."""
