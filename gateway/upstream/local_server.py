"""The child process behind provider `local`: llama.cpp's OpenAI server on loopback, at a port of its choice.

    python -m gateway.upstream.local_server /path/to/weights.gguf

Prints one line of JSON with its address once it serves, and ends when its standard input ends: that is how it notices
that its parent is gone, whatever the parent died of.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys

ALIAS = "smollm2-135m-instruct"
CONTEXT = 8192
_PARALLEL = 4  # requests at a time; they share the context
_MOST_ANSWER = 512  # tokens, where the request sets no limit: a model this small may never stop by itself
_PROMPT_CACHE_MIB = 128
_PR_SET_PDEATHSIG = 1


def main(weights: str) -> None:
    """Serves until standard input ends."""
    _die_with_parent()
    import xllamacpp  # noqa: PLC0415  # only this process loads it

    params = xllamacpp.CommonParams()
    params.model.path = weights
    params.model_alias = {ALIAS}
    params.n_ctx = CONTEXT
    params.n_parallel = _PARALLEL
    params.kv_unified = True
    params.n_predict = _MOST_ANSWER
    params.cache_ram_mib = _PROMPT_CACHE_MIB
    params.use_jinja = True
    # What its makers advise; at llama.cpp's 0.8 a model this small drifts into other languages. The penalty keeps it
    # from going round in circles up to the last token.
    params.sampling.temp, params.sampling.top_p, params.sampling.penalty_repeat = 0.2, 0.9, 1.05
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = 1
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    # Its threads spin for each other at every layer: as soon as anything else (the gateway, an agent) wants one of
    # their cores, all stand still. Measured on two busy cores: 1 token per second on both, 20-47 on one.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = max(1, (os.cpu_count() or 1) // 2)
    server = xllamacpp.Server(params)
    sys.stdout.write(json.dumps({"address": server.listening_address}) + "\n")
    sys.stdout.flush()
    while sys.stdin.buffer.read(4096):
        pass
    # Not by way of the server's own shutdown, which waits for answers nobody is there to read.
    os._exit(0)


def _die_with_parent() -> None:
    """On Linux the kernel ends us with the parent; elsewhere the end of standard input does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


if __name__ == "__main__":
    main(sys.argv[1])
