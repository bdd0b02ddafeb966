"""Id arguments: the grammar of ``--id``, the dataset types they name, and the containers that hold data IDs."""
