"""Programs that work on request, taken in turns: how two sides are compared on a machine that is not ours alone.

A side is a process that prints `ready` and then, for every line with a number n on its standard input, does its work n
times and prints `done`. All sides stay alive; one works while the others wait, on the same core. What is measured is
CPU time of the process, by the kernel's clock of it: neighbours that take the core away do not count, and a program
with helper threads gains nothing by them.
"""
import os
import statistics
import subprocess
import time
from dataclasses import dataclass


class Side:
    """One process."""

    def __init__(self, command, core, environment=None):
        self.process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
            env={**os.environ, **(environment or {})}, preexec_fn=lambda: os.sched_setaffinity(0, {core}))
        self.command = command
        self.expect("ready")
        self.load = self.cpu()  # from the start of the program to its first answer

    def expect(self, word):
        line = self.process.stdout.readline().strip()
        if line != word:
            raise SystemExit(f"{' '.join(map(str, self.command))} said {line!r}, not {word!r}")

    def cpu(self):
        """Seconds of CPU time so far, all threads."""
        # man 2 clock_getres: the clock of another process.
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def work(self, times):
        """Seconds of CPU time of one unit of work, the mean of `times`."""
        before = self.cpu()
        self.process.stdin.write(f"{times}\n")
        self.expect("done")
        return (self.cpu() - before) / times

    def peak(self):
        """Largest resident size so far, in MB."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)


@dataclass
class Series:
    """Seconds of one side in each round."""
    seconds: list

    @property
    def median(self):
        return statistics.median(self.seconds)

    def against(self, other):
        """How many times faster this side was, round by round: median, least, most."""
        ratios = sorted(theirs / ours for ours, theirs in zip(self.seconds, other.seconds))
        return statistics.median(ratios), ratios[0], ratios[-1]


def alternate(sides, rounds, turn):
    """Lets each of `sides` (by name) work about `turn` seconds in each round; gives a `Series` for each."""
    times = {}
    for name, side in sides.items():
        side.work(1)
        times[name] = max(1, round(turn / max(side.work(2), 1e-6)))
    seconds = {name: [] for name in sides}
    for number in range(rounds):
        # Each round begins with another side, so that none always comes after the same one.
        names = list(sides)
        names = names[number % len(names):] + names[:number % len(names)]
        for name in names:
            seconds[name].append(sides[name].work(times[name]))
    return {name: Series(values) for name, values in seconds.items()}


def ratio(median, least, most):
    """As the tables show it."""
    return f"**{median:.2f}** ({least:.2f}–{most:.2f})"
