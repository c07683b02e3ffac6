"""What a gateway offers besides chat: models, prices, endpoints, keys, costs and embeddings."""
