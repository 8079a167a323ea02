"""10,000 requests a second on Lambda: what it takes, what it costs and what stops it first, on paper and simulated.

`measured` reads what other benchmarks measured, `aws` holds AWS's quotas and prices, `simulation` plays requests
against the quotas. Nothing here calls AWS, and nothing of API Gateway's or Lambda's own latency is known here.
"""
