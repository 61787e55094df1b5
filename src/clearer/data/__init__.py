"""Images in and out, where pairs come from, degradations, samplers, and the data-set doctor."""
