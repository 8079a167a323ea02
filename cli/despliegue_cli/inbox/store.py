"""The inbox's store: moto's S3, SQS and EventBridge on one address, with what the template makes in AWS; in memory.

A process of its own, `python -m despliegue_cli.inbox.store DESCRIPTOR PARENT`. It starts the poller, and again if that
dies: a file that kills the process is then received again, and given up after as many tries as in the cloud.
"""

import json
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import boto3
from flask import Flask
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from despliegue_cli.inbox import HOST, INBOX, RESULTS, command, end_with_parent, queues

VISIBILITY_SECONDS: Final = 2
"""Until a message that failed comes again: whoever looks on should not wait the minutes of the cloud."""
_TRIES: Final = 3
_SERVICES: Final = ("s3", "sqs", "events")
_RESTART_SECONDS: Final = 1.0
_LISTEN_SECONDS: Final = 0.5


def serve(descriptor: int) -> None:
    """Answer on an inherited listening socket, in threads of this process."""
    # werkzeug writes a line for every request below this level
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = make_server(
        HOST,
        0,
        only_from_here(DomainDispatcherApplication(_application)),
        threaded=True,
        request_handler=MotoRequestHandler,
        fd=descriptor,
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()


def only_from_here(application: WSGIApplication) -> WSGIApplication:
    """Refuse what a page from elsewhere makes a browser send: by a name of its own that leads here, or across sites."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        host = environ.get("HTTP_HOST")
        ours = {f"{name}:{environ['SERVER_PORT']}" for name in (HOST, "localhost")}
        if host not in ours or environ.get("HTTP_ORIGIN", f"http://{host}") != f"http://{host}":
            return Response("the inbox is for this machine alone\n", 403)(environ, start_response)
        return application(environ, start_response)

    return answer


def _application(service: Any) -> Flask:
    # moto knows all of AWS, Lambda and its containers too: nobody should reach that through here.
    return create_backend_app(service) if service in _SERVICES else Flask("moto", static_folder=None)


def set_up() -> None:
    """Make the queues, the rule and the buckets; the results bucket last, which says that all is there."""
    # botocore makes its clients' methods at run time
    sqs: Any = boto3.client("sqs")
    s3: Any = boto3.client("s3")
    events: Any = boto3.client("events")

    def create_queue(name: str, **redrive: Any) -> None:
        attributes = {"VisibilityTimeout": str(VISIBILITY_SECONDS)}
        if redrive:
            attributes["RedrivePolicy"] = json.dumps(redrive)
        sqs.create_queue(QueueName=name, Attributes=attributes)

    create_queue(queues.DEAD_LETTER)
    # SQS counts anew in each queue and moto goes on counting: so the failed queue has its own tries as well.
    create_queue(queues.FAILED, maxReceiveCount=2 * _TRIES, deadLetterTargetArn=queues.arn(queues.DEAD_LETTER))
    create_queue(queues.SCORE, maxReceiveCount=_TRIES, deadLetterTargetArn=queues.arn(queues.FAILED))
    create_queue(queues.NOTICE)
    events.put_rule(Name="notices", EventPattern=json.dumps({"source": ["despliegue"]}))
    events.put_targets(Rule="notices", Targets=[{"Id": queues.NOTICE, "Arn": queues.arn(queues.NOTICE)}])
    # moto gives an object its bucket's access list, and without one curl could write a key only once.
    s3.create_bucket(Bucket=INBOX, ACL="public-read-write")
    s3.put_bucket_notification_configuration(
        Bucket=INBOX,
        NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": queues.arn(queues.SCORE), "Events": ["s3:ObjectCreated:*"]}],
        },
    )
    s3.create_bucket(Bucket=RESULTS, ACL="public-read-write")


def main() -> None:
    """Serve, set up, and keep a poller running until told to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    end_with_parent()
    serve(int(sys.argv[1]))
    poller = _start_poller()
    try:
        set_up()
        while True:
            try:
                # Again and again: a signal that another thread gets does not end the main one's wait.
                code = poller.wait(_LISTEN_SECONDS)
            except subprocess.TimeoutExpired:
                continue
            print(f"error: the inbox's poller ended with exit code {code}; it is started again", flush=True)
            time.sleep(_RESTART_SECONDS)
            poller = _start_poller()
    finally:
        poller.terminate()
        poller.wait()


def _start_poller() -> subprocess.Popen[bytes]:
    return subprocess.Popen(command("poller"))  # noqa: S603 – our own module


if __name__ == "__main__":
    main()
