"""A whole stack on one machine, for people without a server. May import what the command line may."""
