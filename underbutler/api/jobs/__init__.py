"""What can be done with jobs, whichever way it is asked: UWS and JSON both come here."""
