"""Tasks on the machines of a Ray or Dask cluster: see `base_models.jobs`. What is done there: `base_models.hosts`."""

import contextlib
import os
import socket
import time
from collections import deque
from pathlib import Path

from base_models.hosts import CargoLost, Order, host, sees
from base_models.jobs import POLL, threads_each, told, too_often
from base_models.parcels import files_in, store_files
from base_models.progress import say
from base_models.seats import FAILED, LOST, THREADS
from data.errors import ProjectError, UsageError, one_line

PASSED = ("KERAS_", "TF_", "XLA_", "JAX_")  # variables of this process that the cluster's have too
KNOWN = ("ray", "dask")
WAIT = 60  # seconds for the first worker of a cluster
LOOK = 60  # seconds between two looks at whether it still has machines
TRANSFER = 600  # seconds for a cargo to come
TOPIC = "keypoint-progress-"


def parsed(text):
    """(name, address or None) of --cluster. Raises UsageError."""
    name, separator, address = text.partition("://")
    if name not in KNOWN or bool(separator) != bool(address):
        raise UsageError(f"--cluster: expected ray or dask, or ray://HOST:PORT or dask://HOST:PORT; received {text!r}")
    return name, address or None


def cluster_of(work, where, count):
    """The workers of a cluster, for `count` tasks."""
    name, address = parsed(where.cluster)
    try:
        return {"ray": OnRay, "dask": OnDask}[name](work, address, where.jobs, count)
    except ImportError as error:
        wanted = {"ray": "ray", "dask": "dask[distributed]"}[name]
        raise UsageError(f"--cluster {name}: expected {wanted}; it is not installed: pip install {wanted!r}") from error


class Cluster:
    """What the clusters have in common. As `base_models.jobs.Here`.

    Their own are `begin`, `said`, `up`, `lost`, `given_up` and `close`.

    Args:
        work: `Work`.
        cores: of all machines.
        smallest: cores of the machine that has fewest.
        jobs: tasks at once; None = as many as there are cores.
        count: tasks there will be. Threads do not depend on it, as in `base_models.jobs.Here`.
    """

    def __init__(self, work, cores, smallest, jobs, count):
        self.work, self.count = work, min(jobs or cores, count)
        self.threads = min(threads_each(cores, jobs or cores), smallest)
        self.looked, self.alone = time.monotonic(), False
        self.environment = {key: value for key, value in os.environ.items() if key.startswith(PASSED) or key in THREADS}
        self.seen, self.running = set(), {}

    def submit(self, name, task):
        """Begin a task: a Future."""
        files = {} if self.shared else files_in(self.work.root / task.folder)
        work = self.work
        order = Order(name, task, work.function, str(work.root), work.crate, self.threads, self.environment, files)
        self.running[name] = task
        self.seen.discard(name)
        return self.begin(order)

    def tell(self):
        """Print what workers said."""
        for name, text in self.said():
            if text is None and name in self.seen:
                say(f"{name}: its worker was lost; it is started again by the cluster")
            elif text is None:
                self.seen.add(name)
            else:
                say(told(name, text))
        if time.monotonic() >= self.looked + LOOK:
            self._look()

    def _look(self):
        """Say once when no machine is left: tasks then wait until one comes, for ever if none does."""
        before, self.alone = self.alone, not self.up()
        if self.alone and not before:
            waiting = ", ".join(self.running)
            say(f"{waiting}: no machine of the cluster is up; this waits until one is, and Ctrl-C ends it")
        self.looked = time.monotonic()

    def outcome(self, name, future):
        """As `Here.outcome`. The files of a machine that does not see the run's folder are stored in it."""
        task = self.running.pop(name)
        try:
            sort, value, files = future.result()
        except Exception as error:
            if isinstance(error, self.given_up):
                return FAILED, too_often(name, error.allowed_failures + 1, type(error).__name__)
            if isinstance(error, self.lost):
                return LOST, one_line(f"{type(error).__name__}: {error}".partition("\n")[0], 200)
            why = one_line(f"{type(error).__name__}: {error}", 300)
            return FAILED, ProjectError(f"{name}: the cluster could not do it: {why}")
        if files:
            store_files(self.work.root / task.folder, files)
        return sort, value

    def cargo(self):
        """What a machine needs that does not see the run's folder: dict of path in it to bytes."""
        crate = self.work.root / self.work.crate
        shipped = [f"{self.work.crate}/{path.name}" for path in crate.iterdir() if path.name != ".lock"]
        return {name: (self.work.root / name).read_bytes() for name in (*self.work.needs, *shipped)}


# The two clusters.


class OnRay(Cluster):
    """Workers of a Ray cluster, which gives each task a process and as many of its CPUs as it has threads.

    Args:
        work: `Work`.
        address: HOST:PORT of the head; None = that of RAY_ADDRESS or of this machine's, else one is started here.
        jobs: tasks at once; None = as many as it has CPUs.
        count: tasks there will be.
    """

    def __init__(self, work, address, jobs, count):
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it warns that it will be the default
        import ray
        from ray.util.queue import Queue
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On

        lost = ("WorkerCrashedError", "OutOfMemoryError", "NodeDiedError", "ObjectLostError")
        self.ray, self.lost, self.given_up = ray, tuple(getattr(ray.exceptions, name) for name in lost), ()
        _connected(lambda: _with_own_signals(lambda: _ray_init(ray, address)), f"ray://{address}" if address else "ray")
        try:
            nodes = _with_cpus(ray)
            cpus = [int(node["Resources"]["CPU"]) for node in nodes]
            super().__init__(work, sum(cpus), min(cpus), jobs, count)
            here = On(ray.get_runtime_context().get_node_id(), soft=False)  # progress ends with no other machine
            self.queue = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
            look = ray.remote(sees)
            asked = [
                look.options(num_cpus=0, scheduling_strategy=On(node["NodeID"], soft=False)).remote(
                    str(work.root), work.crate
                )
                for node in nodes
            ]
            self.shared = all(ray.get(asked))
            self.cargo_there = None if self.shared else ray.put(self.cargo())
        except BaseException:
            self.close()
            raise

    def begin(self, order):
        """Begin a task: a Future."""
        options = {"num_cpus": self.threads, "max_retries": 0, "name": order.name}
        hosted = self.ray.remote(_ray_host).options(**options)
        return hosted.remote(order, [self.cargo_there], self.queue).future()

    def said(self):
        """What workers said since the last call: (name, line)."""
        return self.queue.get_nowait_batch(self.queue.qsize())

    def up(self):
        """Whether any machine is up that can take a task."""
        return bool(_nodes(self.ray))

    def close(self):
        """End everything of this command's: Ray ends its processes, and theirs end with them."""
        self.ray.shutdown()


def _ray_init(ray, address):
    ray.init(address=ray_address(address), log_to_driver=False, logging_level="ERROR")


def ray_address(address):
    """What to ask Ray for: HOST:PORT; None = it looks for a cluster itself; "local" = it begins one.

    Ray waits long for a head that does not answer: minutes for one that it is told, for ever for the one of this
    machine if that was killed, since `ray start` writes its address into a file that only `ray stop` removes.

    Raises:
        OSError: nobody answers at `address`.
    """
    if address:
        _call(address)
        return address
    left = Path(os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp", "ray", "ray_current_cluster")
    if os.environ.get("RAY_ADDRESS") or not left.is_file():
        return None
    try:
        _call(left.read_text().strip())
    except (OSError, ValueError) as error:
        why = one_line(f"{type(error).__name__}: {error}", 200)
        say(f"--cluster ray: the head that {left} names does not answer ({why}); one is started here")
        return "local"
    return None


def _call(address):
    """Connect to HOST:PORT and hang up."""
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), WAIT).close()


def _nodes(ray):
    """The cluster's nodes that have CPUs."""
    return [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]


def _with_cpus(ray):
    """As `_nodes`, at least one. They may come after the head."""
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        if nodes := _nodes(ray):
            return nodes
        time.sleep(POLL)
    raise ProjectError(f"--cluster ray: expected a node with a CPU; received none within {WAIT} s")


def _ray_host(order, cargo, queue):
    import ray

    return host(order, queue.put, lambda: ray.get(cargo[0]), lambda: False)


def _with_own_signals(call):
    """Call what sets signal handlers of its own, and set ours again."""
    import signal

    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        call()
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _connected(connect, where):
    try:
        return connect()
    except ImportError:
        raise
    except Exception as error:  # each has many types of its own
        why = one_line(f"{type(error).__name__}: {error}", 300)
        raise ProjectError(f"--cluster {where}: expected a cluster that answers; received {why}") from error


class OnDask(Cluster):
    """Workers of a Dask cluster: tasks in their threads. Arguments as for `OnRay`, but address is the scheduler's."""

    def __init__(self, work, address, jobs, count):
        from distributed import Client, KilledWorker

        from base_models.jobs import cores

        own = {"n_workers": min(jobs or cores(), count), "threads_per_worker": 1, "dashboard_address": None}
        options = {"address": f"tcp://{address}", "timeout": 20} if address else own | {"silence_logs": "ERROR"}
        self.client = _connected(lambda: Client(**options), f"dask://{address}" if address else "dask")
        self.lost, self.given_up, self.lines, self.topic = (), KilledWorker, deque(), TOPIC + work.crate
        try:
            _connected(lambda: self.client.wait_for_workers(1, WAIT), "dask")
            threads = list(self.client.nthreads().values()) if address else [cores()]
            super().__init__(work, sum(threads), min(threads), jobs, count)
            self.client.subscribe_topic(self.topic, lambda event: self.lines.append(tuple(event[1])))
            self.executor = self.client.get_executor(pure=False)
            self.shared = all(self.client.run(sees, str(work.root), work.crate).values())
            self.cargo_there = None if self.shared else self._scattered()
        except BaseException:
            self.close()
            raise

    def _scattered(self):
        """A future of the cargo, which one worker has."""
        return self.client.scatter([self.cargo()], hash=False)[0]

    def _sent_again(self):
        end = time.monotonic() + WAIT
        while True:
            self.client.wait_for_workers(1, WAIT)
            try:
                return self._scattered()
            except OSError:  # to a worker that has gone, which the scheduler does not know yet
                if time.monotonic() >= end:
                    raise
                time.sleep(POLL)

    def begin(self, order):
        """Begin a task: a Future."""
        if self.shared:
            return self.executor.submit(_dask_host, order, None, self.topic)
        if self.cargo_there.status != "finished":  # its worker was lost, and Dask cannot make it anew
            self.cargo_there = _connected(self._sent_again, "dask")
        return self.executor.submit(_dask_host, order, self.cargo_there.key, self.topic)

    def said(self):
        """What workers said since the last call: (name, line)."""
        while self.lines:
            yield self.lines.popleft()

    def up(self):
        """Whether any worker is up. A scheduler that is gone is told by the tasks."""
        with contextlib.suppress(OSError):
            return self.client.status != "running" or bool(self.client.nthreads())
        return True

    def close(self):
        """End everything of this command's: hosts see that nobody waits for their tasks."""
        self.client.close()
        if self.client.cluster is not None:
            self.client.cluster.close()


def _dask_host(order, key, topic):
    from distributed import get_worker

    worker = get_worker()
    own = worker.get_current_task()

    def stopped():
        task = worker.state.tasks.get(own)
        return task is None or task.state in ("cancelled", "resumed")

    return host(order, lambda said: worker.log_event(topic, list(said)), lambda: _dask_cargo(key), stopped)


def _dask_cargo(key):
    """The cargo. Where its worker was lost, nobody could ever send it."""
    from concurrent.futures import CancelledError

    from distributed import Future, TimeoutError, get_client

    there = Future(key, get_client(), state="memory")  # it is, else its command would not have begun a task
    if not there.client.who_has([there]).get(key):
        raise CargoLost("what it needs was on a machine that is gone")
    try:
        return there.result(TRANSFER)
    except (TimeoutError, CancelledError) as error:
        raise CargoLost(f"what it needs did not come: {type(error).__name__}") from error
