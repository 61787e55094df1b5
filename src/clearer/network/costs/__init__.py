"""The costs in L_Comp, of each candidate in each searched place: one file per measure."""
