"""Jobs at home: the API's, on the local S3 of `despliegue serve --inbox`. Imported with the first job."""

import os

from botocore.session import Session

from despliegue.aws.jobs import S3Jobs, open_jobs
from despliegue_cli.inbox import HOST, INBOX, REGION, RESULTS

_NOT_THE_USERS = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
    "region": (None, None, REGION, None),
}
"""botocore's settings, none of which it looks for in the environment or in files."""


def open_local_jobs(port: int) -> S3Jobs:
    """The jobs of the inbox on `port`, with made-up credentials: nobody checks them."""
    session = Session(_NOT_THE_USERS)
    session.set_credentials("inbox", "inbox")
    return open_jobs(INBOX, RESULTS, f"http://{HOST}:{port}", session)
