"""What travels beside the pixels of an image file: segments, chunks, boxes and further images."""
