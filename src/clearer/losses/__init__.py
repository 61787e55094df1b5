"""What training minimizes, one file a kind."""
