"""What L_Comp counts: the cost of each candidate in each searched place, one file per measure."""
