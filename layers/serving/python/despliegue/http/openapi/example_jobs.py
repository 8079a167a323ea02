"""Jobs that documents show: of every state one, and no file anywhere."""

from typing import Final

from despliegue.http.job_store import JobRequest, JobStatus, Posted, State, Upload, not_found

JOB: Final = "kx3qmvbe2ufzwyo4hr6sn7dlai"
"""The id that they all have; where it is not expected, it is another one's."""
ANOTHER: Final = "aaaaaaaaaaaaaaaaaaaaaaaaaa"
STATES: Final[tuple[State, ...]] = ("waiting", "running", "done", "failed", "expired")
REQUESTS: Final = {
    "csv": b"{}",
    "packed": b'{"format":"jsonl","compression":"gzip"}',
    "options": b'{"format":"csv","options":{"delimiter":";","join":false,"reject-threshold":0.05}}',
}
"""What is asked for in the examples."""

_SIGNED: Final = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=1f2e3d4c5b6a"
_ROWS: Final = {"read": 12, "scored": 11, "rejected": 1}
_NO_ROW: Final = {"read": 0, "scored": 0, "rejected": 0}


class ExampleJobs:
    """The protocol `JobStore` without a store: each time that a job is asked for, it has the next of `STATES`."""

    def __init__(self) -> None:
        self._version = ""
        self._file = ""
        self._asked = 0

    def create(self, caller: str, model: str, version: str, request: JobRequest) -> Posted:
        """See `despliegue.http.job_store.JobStore`."""
        self._version, self._file, self._asked = version, request.file_name, 0
        options = {f"x-amz-meta-despliegue-{option}": text for option, text in request.options.items()}
        headers = {"Content-Type": request.content_type, "If-None-Match": "*", **options}
        address = self._address("inbox", model, request.file_name)
        return Posted(JOB, Upload(address, "PUT", headers, "2026-11-28T12:15:00Z"))

    def find(self, caller: str, model: str, version: str | None, job: str) -> JobStatus:
        """See `despliegue.http.job_store.JobStore`."""
        if job != JOB or not self._version:
            raise not_found(job, model)
        state = STATES[self._asked % len(STATES)]
        self._asked += 1
        if state == "done":
            results = self._results(model, "scored", "rejects", "report")
            return JobStatus(job, model, self._version, state, _ROWS, results=results)
        if state == "failed":
            reason = "there is no id column 'number'; the columns are 'id', 'name'"
            results = self._results(model, "report")
            return JobStatus(job, model, self._version, state, _NO_ROW, "UnscorableFile", reason, results)
        return JobStatus(job, model, self._version, state)

    def _results(self, model: str, *kinds: str) -> dict[str, str]:
        endings = {"scored": "scored.csv", "rejects": "rejects.jsonl", "report": "report.json"}
        results = {kind: self._address("results", model, f"{self._file}.{endings[kind]}") for kind in kinds}
        return results | {"expires": "2026-11-28T13:10:00Z"}

    def _address(self, bucket: str, model: str, name: str) -> str:
        host = f"{bucket}.s3.eu-west-1.amazonaws.com"
        return f"https://{host}/{model}%40{self._version}/jobs/6b86b273ff34fce19d6b804eff5a3f57/{JOB}/{name}?{_SIGNED}"
