"""What a training minimizes, one file a kind."""
