"""The peers' end of the line protocol of bench/side.mjs; bench/ours/serve.mjs is the same for halfway."""

import json
import os
import sys
import time
import traceback

MILLISECONDS_PER_TICK = 1000 / os.sysconf("SC_CLK_TCK")


def serve(prepare):
    """Answers requests until standard input ends. `prepare(**options)` returns (run, said): the work, and what to say of it.

    `run()` may return {"ms": ...} where it measures itself, {"parts": {name: ms}}, and {"usage": {"cpuMs": ..., "peakRssMB": ...}}
    where children work too.
    """
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    run = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "prepare" in request:
                base = resident_mb("self", "VmRSS")
                run, said = prepare(**request["prepare"])
                answer = {"baseRssMB": base, **said}
            else:
                answer = measured(run, request["times"])
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)


def measured(run, times):
    ms, parts, result = [], [], {}
    cpu_start = time.process_time()
    for _ in range(times):
        start = time.perf_counter()
        result = run() or {}
        wall_ms = 1e3 * (time.perf_counter() - start)
        ms.append(result.get("ms", wall_ms))
        parts.append(result.get("parts", {}))
    cpu_ms = 1e3 * (time.process_time() - cpu_start)
    usage = result.get("usage") or {"cpuMs": cpu_ms, "peakRssMB": resident_mb("self", "VmHWM")}
    return {"ms": ms, "parts": parts, **usage}


def tree_cpu_ms():
    """Processor time of this process and the children that live."""

    def of_child(pid):
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().split(") ")[1].split(" ")
        return MILLISECONDS_PER_TICK * (int(fields[11]) + int(fields[12]))

    return 1e3 * time.process_time() + sum(map(of_child, children()))


def tree_peak_rss_mb():
    """The most memory that this process and the children that live have had; what they share counts for each."""
    return sum(resident_mb(pid, "VmHWM") for pid in ["self", *children()])


def resident_mb(pid, field):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field)) / 1024


def children():
    return [
        pid
        for task in os.listdir("/proc/self/task")
        for pid in open(f"/proc/self/task/{task}/children").read().split()
    ]
