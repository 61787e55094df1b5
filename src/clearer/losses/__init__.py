"""What training minimizes, one file per kind."""
