"""A store in Redis, or Valkey, for several processes that answer as one bot; see `Store` and `Peers`."""
