"""What pictures are drawn with: a stretch, marks, and how a frame lies on the sky."""
