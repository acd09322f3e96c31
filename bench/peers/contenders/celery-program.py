"""Produces and works for Celery, as program.ts does for the others; see protocol.ts.

A worker's children count and time tasks in memory that they share with their parent.
"""

import json
import logging
import mmap
import multiprocessing
import os
import signal
import struct
import threading
import time

from celery import Celery, signals

REPORT_S = 0.05
SAMPLES_MAX = 200_000
CHUNK = 1_000
RESULT_S_MAX = 30

# Finished, first start, last end, samples; then the samples. Shared with the children by fork.
HEAD = struct.calcsize("=qddq")
memory = mmap.mmap(-1, HEAD + 8 * SAMPLES_MAX)
lock = multiprocessing.Lock()

app = Celery("bench")
app.conf.update(
    task_acks_late=True,
    task_default_delivery_mode=2,
    worker_prefetch_multiplier=64,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    result_expires=3600,
)
logging.disable(logging.CRITICAL)

out_lock = threading.Lock()
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
# The children close sys.stdin, and would wait for ever for a thread of their parent that reads it.
commands = os.fdopen(os.dup(0))
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)


def say(message):
    with out_lock:
        out.write(json.dumps(message) + "\n")
        out.flush()


def now_ms():
    return time.time() * 1000


def started(job):
    at = now_ms()
    with lock:
        finished, first, last, samples = struct.unpack_from("=qddq", memory)
        if job.get("at") is not None and samples < SAMPLES_MAX:
            struct.pack_into("=d", memory, HEAD + 8 * samples, at - job["at"])
            samples += 1
        struct.pack_into("=qddq", memory, 0, finished, first or at, last, samples)


@app.task(name="bench.empty", ignore_result=True)
def empty(job):
    started(job)


@app.task(name="bench.answered", ignore_result=False)
def answered(job):
    started(job)


@signals.task_success.connect
def count(**_):
    with lock:
        finished, first, _last, samples = struct.unpack_from("=qddq", memory)
        struct.pack_into("=qddq", memory, 0, finished + 1, first, now_ms(), samples)


def job_of(size):
    return {"payload": "x" * max(0, size - 14)}


def sent_until(request, send):
    started = time.perf_counter()
    until = started + request["forMs"] / 1000
    sent = 0
    while sent < request["count"] and time.perf_counter() < until:
        send()
        sent += 1
    return {"count": sent, "ms": (time.perf_counter() - started) * 1000}


def enqueue(request):
    job = job_of(request["bytes"])
    with app.producer_pool.acquire(block=True) as producer:
        return sent_until(
            request,
            lambda: empty.apply_async((job,), queue=request["queue"], producer=producer),
        )


def latency_of(samples):
    samples = sorted(samples)

    def at(share):
        return samples[max(0, -(-int(len(samples) * share * 100) // 100) - 1)]

    if not samples:
        return None
    return {"count": len(samples), "p50": at(0.5), "p99": at(0.99), "max": samples[-1]}


def flow(request):
    """Sends at the rate given. Waits for each result where one at a time keeps up with the rate."""
    job = job_of(request["bytes"])
    waits = request["rate"] <= 250
    started = time.perf_counter()
    sent = 0
    results = []
    with app.producer_pool.acquire(block=True) as producer:
        while (elapsed := (time.perf_counter() - started) * 1000) < request["forMs"]:
            if sent >= elapsed * request["rate"] / 1000:
                time.sleep(0.0005)
                continue
            timed = elapsed >= request["warmMs"]
            at = now_ms()
            result = (answered if waits else empty).apply_async(
                ({**job, "at": at} if timed else job,),
                queue=request["queue"],
                producer=producer,
            )
            sent += 1
            if waits:
                result.get(timeout=RESULT_S_MAX)
                if timed:
                    results.append(now_ms() - at)
    due = int(request["forMs"] * request["rate"] / 1000)
    reply = {"sent": sent, "skipped": max(0, due - sent - 1)}
    return {**reply, "results": latency_of(results)} if results else reply


def report():
    said = 0
    while True:
        time.sleep(REPORT_S)
        (finished,) = struct.unpack_from("=q", memory)
        if finished != said:
            say({"finished": finished})
        said = finished


def stopped():
    finished, first, last, samples = struct.unpack_from("=qddq", memory)
    starts = latency_of(struct.unpack_from(f"={samples}d", memory, HEAD))
    reply = {"finished": finished, "firstAt": first, "lastAt": last, "updates": 0}
    return {**reply, "starts": starts} if starts else reply


def work(request):
    """Runs the worker in this thread, which is the main one, until it is told to stop."""
    signals.worker_ready.connect(
        lambda **_: say({"id": request["id"], "value": None}), weak=False
    )
    threading.Thread(target=report, daemon=True).start()
    queue, slots = request["queue"], str(request["concurrency"])
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=CRITICAL"]
    arguments = ["worker", "--pool=prefork", "-c", slots, "-Q", queue, *quiet]
    app.worker_main(arguments)


def obey(request, begin_work):
    command = request["do"]
    if command == "open":
        connection = request["connection"]
        url = f"redis://{connection['host']}:{connection['port']}/0"
        app.conf.update(broker_url=url, result_backend=url)
    elif command in ("enqueue", "bulk"):
        # There is no call for many tasks: both are one task a call.
        return enqueue(request)
    elif command == "flow":
        return flow(request)
    elif command == "work":
        begin_work(request)
        return Ellipsis
    return None


def main():
    wanted = threading.Event()
    state = {}

    def begin_work(request):
        state["work"] = request
        wanted.set()

    def listen():
        for line in commands:
            request = json.loads(line)
            if request["do"] == "stop":
                state["stop"] = request
                # The warm shutdown: the main thread answers when it is over.
                os.kill(os.getpid(), signal.SIGTERM)
                continue
            try:
                value = obey(request, begin_work)
                if value is not Ellipsis:
                    say({"id": request["id"], "value": value})
            except Exception as error:
                say({"id": request["id"], "error": f"{type(error).__name__}: {error}"})
        end()

    threading.Thread(target=listen, daemon=True).start()
    wanted.wait()
    try:
        work(state["work"])
    except SystemExit:
        pass
    if "stop" in state:
        say({"id": state["stop"]["id"], "value": stopped()})


def end():
    """The input has ended: so does this process, and with it its children."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(0)


main()
