# SPDX-License-Identifier: Apache-2.0
"""The work on a Dask cluster (extra ``cluster``). The one module that knows distributed.

Scheduler, workers and this process prove themselves to one another by certificates
(``tls://``). Plain ``tcp://`` would show certificates and serials to whoever listens, and let
anybody give the verdicts: it is for test data only.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jpki.certificate.kinds import Environment
from jpki.errors import BatchError, MissingExtraError
from jpki.verifying.batch.inputs import Chunk
from jpki.verifying.batch.parts import Part, make_part
from jpki.verifying.batch.pool import Work
from jpki.verifying.batch.rows import RowVerifier
from jpki.verifying.batch.setup import BatchSetup

_ANSWER_WITHIN: Final = "30s"
_PLUGIN: Final = "jpki-batch"


@dataclass(frozen=True, slots=True)
class Cluster:
    """The scheduler at ``address``; with ``tls://`` the files (PEM) of the authority that
    scheduler and workers are known by, of our certificate, and of its key."""

    address: str
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @contextmanager
    def start(self, setup: BatchSetup, form: str) -> Iterator[Work]:
        """Raises MissingExtraError, BatchError (``batch_cluster``)."""
        distributed = _load()
        self._check(setup)
        try:
            client = distributed.Client(
                self.address,
                security=self._security(distributed),
                timeout=_ANSWER_WITHIN,
                set_as_default=False,
            )
        except (OSError, ValueError) as exc:
            raise BatchError("batch_cluster", reason="no_cluster") from exc
        with client:
            workers = max(1, sum(client.nthreads().values()))
            client.register_plugin(_plugin(distributed, setup), name=_PLUGIN)
            task = functools.partial(_part, form=form)
            try:
                yield lambda chunks: _in_window(distributed, client, task, chunks, workers)
            except (
                distributed.scheduler.KilledWorker,
                distributed.client.FutureCancelledError,
            ) as exc:
                raise BatchError("batch_worker_lost") from exc
            finally:
                client.unregister_worker_plugin(_PLUGIN)

    def _check(self, setup: BatchSetup) -> None:
        if self.address.startswith("tls://"):
            if self.ca is None or self.certificate is None or self.key is None:
                raise BatchError("batch_cluster", reason="no_cluster_certificate")
        elif not self.address.startswith("tcp://"):
            raise BatchError("batch_cluster", reason="bad_address")
        elif setup.environment is not Environment.TEST:
            raise BatchError("batch_cluster", reason="not_encrypted")

    def _security(self, distributed: Any) -> Any:
        if not self.address.startswith("tls://"):
            return None
        return distributed.Security(
            require_encryption=True,
            tls_ca_file=str(self.ca),
            tls_client_cert=str(self.certificate),
            tls_client_key=str(self.key),
        )


def _load() -> Any:
    try:
        import distributed
        import distributed.client
        import distributed.scheduler
    except ImportError as exc:
        raise MissingExtraError(extra="cluster") from exc
    return distributed


def _plugin(distributed: Any, setup: BatchSetup) -> Any:
    """Gives each worker its verifier, those too that join while the run goes on."""

    class Verifying(distributed.WorkerPlugin):  # type: ignore[misc]
        def setup(self, worker: Any) -> None:
            worker.jpki_verifier = RowVerifier(setup.validator(), setup.signers)

        def teardown(self, worker: Any) -> None:
            del worker.jpki_verifier

    return Verifying()


def _in_window(
    distributed: Any, client: Any, task: Any, chunks: Iterable[Chunk], workers: int
) -> Iterator[Part]:
    """Parts as they come, with two chunks for each thread of the cluster under way at most."""
    done = distributed.as_completed(loop=client.loop, with_results=True)
    for chunk in chunks:
        done.add(client.submit(task, chunk, pure=False))
        if done.count() >= 2 * workers:
            yield next(done)[1]
    for _, part in done:
        yield part


def _part(chunk: Chunk, *, form: str) -> Part:
    from distributed import get_worker

    worker: Any = get_worker()
    return make_part(chunk, worker.jpki_verifier, form)
