"""What is known of a camera: its map, and what a raw frame's header says through it. Opens no Butler."""
