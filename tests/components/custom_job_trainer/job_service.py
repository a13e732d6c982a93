"""A stand-in for Vertex AI's service of custom jobs, on loopback.

The service is a real gRPC server with Google's own protos. A client with the environment variables
from `serving` trusts this server's certificate, and sends all requests for Google's address to this
server, through a proxy. The service refuses requests that are invalid according to the API's
documentation. Each test defines which states its jobs report.
"""

import datetime
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from google.cloud.aiplatform_v1.types import (
    CancelCustomJobRequest,
    CreateCustomJobRequest,
    CustomJob,
    CustomJobSpec,
    GetCustomJobRequest,
    JobState,
    ListCustomJobsRequest,
    ListCustomJobsResponse,
    WorkerPoolSpec,
)
from google.protobuf.empty_pb2 import Empty
from google.rpc.status_pb2 import Status

from tests.account import private_pem, write_account
from tests.components.custom_job_trainer.proxy import run_proxy

HOST = "europe-west4-aiplatform.googleapis.com"
PARENT = "projects/p/locations/europe-west4"
_ENDED = (
    JobState.JOB_STATE_SUCCEEDED,
    JobState.JOB_STATE_FAILED,
    JobState.JOB_STATE_CANCELLED,
)


class Execution(Protocol):
    """The interface of a started job."""

    def state(self) -> tuple[JobState, str]:
        """Returns the state of the job, and the reason for a failure."""

    def stop(self) -> None:
        """Ends the job."""


class Ended:
    """A job that ends as soon as it starts."""

    def __init__(self, state: JobState, message: str = "") -> None:
        self._state = state, message

    def state(self) -> tuple[JobState, str]:
        return self._state

    def stop(self) -> None:
        """Does nothing, since the job has ended."""


class JobService:
    """An implementation of Vertex AI's custom jobs, in memory.

    Attributes:
      jobs: the created jobs by name.
      requests: the methods of all requests, in order: create, get, list, cancel.
      allowed: a dict from a method to the timeout of its last request, in seconds.
      targets: the addresses to which the client asked the proxy to connect.
    """

    def __init__(self, begin: Callable[[CustomJob], Execution]) -> None:
        """
        Args:
          begin: a function that starts a job.
        """
        self.jobs: dict[str, CustomJob] = {}
        self.requests: list[str] = []
        self.allowed: dict[str, float] = {}
        self.targets: list[str] = []
        self.begin = begin
        self._executions: dict[str, Execution] = {}
        self._failures: dict[str, list[tuple[grpc.StatusCode, str]]] = defaultdict(list)

    def fail(self, method: str, code: grpc.StatusCode, message: str) -> None:
        """Makes the next request with `method` fail."""
        self._failures[method].append((code, message))

    def add(self, job: CustomJob, execution: Execution) -> None:
        """Adds a started job, and gives it a name."""
        job.name = f"{PARENT}/customJobs/{1000 + len(self.jobs)}"
        self.jobs[job.name] = job
        self._executions[job.name] = execution

    def create(self, request: CreateCustomJobRequest, context: grpc.ServicerContext) -> CustomJob:
        self._admit("create", context)
        if request.parent != PARENT:
            context.abort(grpc.StatusCode.NOT_FOUND, f"{request.parent} not found")
        problem = next(_problems(request.custom_job), None)
        if problem:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, problem)
        job = CustomJob(request.custom_job)
        job.state = JobState.JOB_STATE_PENDING
        self.add(job, self.begin(job))
        return job

    def get(self, request: GetCustomJobRequest, context: grpc.ServicerContext) -> CustomJob:
        self._admit("get", context)
        return self._job(request.name, context)

    def list(
        self, request: ListCustomJobsRequest, context: grpc.ServicerContext
    ) -> ListCustomJobsResponse:
        """Lists the jobs with the label in the request's filter."""
        self._admit("list", context)
        asked = re.fullmatch(r"labels\.([-_a-z0-9]+)=(\w+)", request.filter)
        if request.parent != PARENT or not asked:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{request.parent}, {request.filter}")
        label, value = asked.groups()
        found = [name for name, job in self.jobs.items() if job.labels.get(label) == value]
        return ListCustomJobsResponse(custom_jobs=[self._job(name, context) for name in found])

    def cancel(self, request: CancelCustomJobRequest, context: grpc.ServicerContext) -> Empty:
        self._admit("cancel", context)
        job = self._job(request.name, context)
        if job.end_time:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{request.name} has ended")
        self._executions[request.name].stop()
        self._executions[request.name] = Ended(JobState.JOB_STATE_CANCELLED)
        return Empty()

    def _admit(self, method: str, context: grpc.ServicerContext) -> None:
        self.requests.append(method)
        self.allowed[method] = context.time_remaining()
        if not dict(context.invocation_metadata()).get("authorization", "").startswith("Bearer "):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "missing authentication credential")
        if self._failures[method]:
            context.abort(*self._failures[method].pop(0))

    def _job(self, name: str, context: grpc.ServicerContext) -> CustomJob:
        if name not in self.jobs:
            context.abort(grpc.StatusCode.NOT_FOUND, f"{name} not found")
        job = self.jobs[name]
        job.state, message = self._executions[name].state()
        if message:
            job.error = Status(code=grpc.StatusCode.INTERNAL.value[0], message=message)
        if job.state in _ENDED and not job.end_time:
            job.end_time = datetime.datetime.now(datetime.UTC)
        return job


def _problems(job: CustomJob) -> Iterator[str]:
    if not 0 < len(job.display_name) <= 128:
        yield "display_name: expected 1 to 128 characters"
    for key, value in job.labels.items():
        if not (re.fullmatch(r"[a-z][-_a-z0-9]{0,62}", key) and re.fullmatch(r"[-\w]*", value)):
            yield f"labels: {key}={value} is not a label"
    yield from _problems_of_spec(job.job_spec)


def _problems_of_spec(spec: CustomJobSpec) -> Iterator[str]:
    if not 0 < len(spec.worker_pool_specs) <= 4:
        yield "worker_pool_specs: expected 1 to 4"
    elif spec.worker_pool_specs[0].replica_count != 1:
        yield "worker_pool_specs[0].replica_count: expected 1"
    for pool in spec.worker_pool_specs:
        yield from _problems_of_pool(pool)
    if spec.service_account and "@" not in spec.service_account:
        yield f"service_account: {spec.service_account} is not an e-mail address"
    if spec.network and not re.fullmatch(r"projects/\d+/global/networks/[-a-z0-9]+", spec.network):
        yield f"network: {spec.network} is not a full name"


def _problems_of_pool(pool: WorkerPoolSpec) -> Iterator[str]:
    machine = pool.machine_spec
    if not pool.container_spec.image_uri:
        yield "container_spec.image_uri: is required"
    if pool.replica_count < 1:
        yield "replica_count: expected at least 1"
    if not re.fullmatch(r"cloud-tpu|[a-z]\w*(-[a-z0-9]+)+", machine.machine_type):
        yield f"machine_type: {machine.machine_type} is not supported"
    if bool(machine.accelerator_type) != bool(machine.accelerator_count):
        yield "accelerator_type and accelerator_count: expected both, or neither"
    if machine.machine_type.startswith("ct") != bool(machine.tpu_topology):
        yield "tpu_topology: expected with machines that have a TPU, and with no others"
    if pool.disk_spec.boot_disk_size_gb and not 100 <= pool.disk_spec.boot_disk_size_gb <= 64000:
        yield "boot_disk_size_gb: expected 100 to 64000"


@contextmanager
def serving(service: JobService, folder: Path) -> Iterator[dict[str, str]]:
    """Runs a server for `service`; yields the environment variables of its clients.

    Args:
      service: the object that implements the methods of the gRPC service.
      folder: the folder for the certificate and the credentials of a service account.
    """
    key = rsa.generate_private_key(65537, 2048)
    certificate = _certificate(key)
    roots = folder / "roots.pem"
    roots.write_bytes(certificate)
    server = grpc.server(futures.ThreadPoolExecutor(4))
    methods = {
        "CreateCustomJob": _method(service.create, CreateCustomJobRequest, CustomJob),
        "GetCustomJob": _method(service.get, GetCustomJobRequest, CustomJob),
        "ListCustomJobs": _method(service.list, ListCustomJobsRequest, ListCustomJobsResponse),
        "CancelCustomJob": grpc.unary_unary_rpc_method_handler(
            service.cancel,
            request_deserializer=CancelCustomJobRequest.deserialize,
            response_serializer=Empty.SerializeToString,
        ),
    }
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("google.cloud.aiplatform.v1.JobService", methods)]
    )
    credentials = grpc.ssl_server_credentials([(private_pem(key), certificate)])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        with run_proxy(port) as proxy:
            service.targets = proxy.targets
            yield {
                "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(roots),
                "grpc_proxy": proxy.url,
                # The client signs its tokens with the account's key, so it needs no token server.
                "GOOGLE_APPLICATION_CREDENTIALS": str(
                    write_account(folder, token_uri="http://127.0.0.1:9/nobody")
                ),
            }
    finally:
        server.stop(None)


def _method(answer: Callable, request: type, response: type) -> grpc.RpcMethodHandler:
    return grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=request.deserialize,
        response_serializer=response.serialize,
    )


def _certificate(key: rsa.RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)
