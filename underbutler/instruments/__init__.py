"""What is known of a camera: its header map, and what a raw frame's header says through it. No Butler is opened here."""
