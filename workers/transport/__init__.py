"""The atomic Redis transport: a message is taken and booked in one step."""
