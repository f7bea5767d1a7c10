"""Real recordings from Debian packages: catalogue, fetching, and scenes made of them with known truth."""
