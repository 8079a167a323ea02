"""A process of the deployed function up to its first reply. Run by `benchmarks.cold`, never imported.

Usage: `first_reply.py FD`. When the reply is there, the CPU seconds used until then are written to the pipe FD.
"""

import json
import os
import sys
import time

import app  # type: ignore[import-not-found]  # functions/predict is on the path of this process only

# json is what the runtime client reads events with, so it is imported on Lambda as well.
with open(os.environ["EVENT"], "rb") as file:
    event = json.load(file)


class Context:
    """The part of Lambda's context that the handler reads."""

    aws_request_id = "1d3f5b7a-2c4e-4a6b-8d0f-9e7c5a3b1d2f"


reply = app.handler(event, Context)
if reply["statusCode"] != 200:
    sys.exit(f"the reply is not a prediction: {reply}")
os.write(int(sys.argv[1]), b"%.6f" % time.process_time())
