"""What a preview is drawn with: marks, and how a frame lies on the sky."""
