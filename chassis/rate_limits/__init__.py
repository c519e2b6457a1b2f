"""How often somebody may do something, counted for all processes together.

    limiter = RateLimiter(Shared(url_key="RATE_LIMIT_REDIS_URL"))
    verdict = limiter.admit([(rate("RATE_LIMIT_TOKEN"), who), …])

Each process takes leave for a few requests at a time (``leases``) from Valkey, and asks again when
they are used up: most requests cost no round trip, none more than one, and all processes together
never let more through than the limit. While Valkey is away, each process counts for itself.
"""
