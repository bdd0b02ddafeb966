"""What is killed and broken in a drill, and what is counted after."""
