"""The AWS adapters: events ↔ `Request`, observability, SnapStart. No boto3, pydantic or X-Ray SDK on the HTTP path."""
