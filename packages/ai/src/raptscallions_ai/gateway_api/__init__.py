"""What a gateway tells of itself and of an account: models, prices, endpoints, keys, books, vectors."""
