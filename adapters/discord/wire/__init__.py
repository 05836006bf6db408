"""What both ways share: the REST client, the rate limits of all calls, what is refused for a while."""
