"""Find, train and ship small multi-scale image-restoration networks (CLEARER, NeurIPS 2020)."""
