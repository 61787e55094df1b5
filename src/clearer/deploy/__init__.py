"""Networks exported and quantized for other runtimes."""
