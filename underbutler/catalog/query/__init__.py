"""What a search asks: MongoDB-style queries parsed, checked for size, and matched against documents in memory."""
