#!/usr/bin/env python3
"""A PHP site under load, whose memcached servers are killed and come back, one after the other.

    site.py --extension FILE --watchd FILE --memcachectl FILE [--step 500] [--watchd-dies] [--hang] [--passed-by]

Four servers in pairs, memcache-watchd, PHP's own web server with eight workers. Twelve visitors' browsers send requests
for twenty sessions, so that requests of one session meet; each increments a counter in the session. What must hold:
every request is answered with 200; the answers of a session are exactly 1, 2, ..., as many as it had requests; no lock
is left. Killing and starting go by the number of requests answered, not by a clock: a step of them for each.

With --passed-by there is no load: a server hangs under an open session, and for as long as it is not known to be down reads
have its backup's tokens. What must hold: the session is written and its lock is free, without asking again and again.
"""
import argparse
import collections
import http.client
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
SESSIONS, BROWSERS, WORKERS = 20, 12, 8
PREFIX = "memc.sess.key."


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what, why, process=None):
    """Waits for something that comes; a minute without it is a failure."""
    end = time.monotonic() + 60
    while not what():
        if process is not None and process.poll() is not None:
            sys.exit(f"site: {why}: it ended with {process.returncode}")
        if time.monotonic() > end:
            sys.exit(f"site: {why}: not within a minute")
        time.sleep(0.005)


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Processes:
    """What was started, to be ended whatever happens."""

    def __init__(self):
        self.running = []

    def start(self, arguments, **more):
        # It ends with us, also when we are killed.
        arguments = ["setpriv", "--pdeathsig", "KILL", *arguments]
        process = subprocess.Popen(arguments, **{"stdin": subprocess.DEVNULL, **more})
        self.running.append(process)
        return process

    def stop(self, process, number=signal.SIGKILL):
        process.send_signal(number)
        process.wait()
        self.running.remove(process)

    def stop_all(self):
        for process in list(self.running):
            self.stop(process)


class Memcached:
    def __init__(self, processes):
        self.processes, self.port = processes, free_port()
        self.start()

    def start(self):
        user = ["--reuid", "65534", "--clear-groups"] if os.geteuid() == 0 else []
        command = [*user, "memcached", "-l", "127.0.0.1", "-p", str(self.port), "-U", "0", "-m", "64"]
        self.process = self.processes.start(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: listens(self.port), "memcached", self.process)

    def kill(self):
        self.processes.stop(self.process)

    def told(self, request):
        """The answer to that, up to its END."""
        with socket.create_connection(("127.0.0.1", self.port)) as link:
            link.sendall(request)
            text = b""
            while not text.endswith(b"END\r\n"):
                text += link.recv(65536)
            return text.decode()

    def keys(self):
        """The keys it has that have not expired."""
        lines = self.told(b"lru_crawler metadump all\r\n").splitlines()[:-1]
        now = time.time()
        for line in lines:
            fields = dict(part.split("=", 1) for part in line.split())
            if fields["exp"] == "-1" or int(fields["exp"]) > now:
                yield fields["key"]

    def asked(self):
        """How many reads it has had."""
        return int(self.told(b"stats\r\n").split("STAT cmd_get ")[1].split()[0])


class Load:
    """The browsers. Each asks for one session after the other, all in the same order, so they meet."""

    def __init__(self, port):
        self.port, self.over = port, False
        self.lock = threading.Condition()
        self.next = 0
        self.answers = collections.defaultdict(list)
        self.answered = 0
        self.failed = []
        self.slowest = 0.0
        self.threads = [threading.Thread(target=self.browse) for _ in range(BROWSERS)]
        for thread in self.threads:
            thread.start()

    def browse(self):
        while True:
            with self.lock:
                if self.over or len(self.failed) > 20:
                    return
                number = self.next
                self.next += 1
            # Three in a row for the same session.
            session = f"visitor{number // 3 % SESSIONS:08d}"
            began = time.monotonic()
            try:
                link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
                link.request("GET", "/", headers={"Cookie": f"PHPSESSID={session}"})
                answer = link.getresponse()
                status, body = answer.status, answer.read().decode()
                link.close()
            except OSError as error:
                status, body = 0, str(error)
            took = time.monotonic() - began
            with self.lock:
                self.answered += 1
                self.slowest = max(self.slowest, took)
                if status == 200 and body.isdigit():
                    self.answers[session].append(int(body))
                else:
                    self.failed.append(f"{session}: {status} {body}")
                self.lock.notify_all()

    def wait_for(self, more):
        """Until so many more are answered."""
        with self.lock:
            answered = self.answered + more
            self.lock.wait_for(lambda: self.answered >= answered or len(self.failed) > 20)

    def end(self):
        self.over = True
        for thread in self.threads:
            thread.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--extension", required=True)
    parser.add_argument("--watchd", required=True)
    parser.add_argument("--memcachectl", required=True)
    parser.add_argument("--step", type=int, default=500, help="so many requests between two events (500)")
    parser.add_argument("--watchd-dies", action="store_true", help="the daemon is killed first, and never comes back")
    parser.add_argument("--hang", action="store_true", help="servers are stopped and go on with their old contents, not killed")
    parser.add_argument("--passed-by", action="store_true", help="no load: what is held when its server hangs is given back")
    arguments = parser.parse_args()
    processes = Processes()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="libmemcache-site-"))
    try:
        sys.exit((passed_by if arguments.passed_by else run)(arguments, processes, folder))
    finally:
        processes.stop_all()
        shutil.rmtree(folder)


def attended(arguments, processes, folder, settings):
    """Four servers, and memcache-watchd: the pool file, the servers, the daemon, memcachectl, what is written to a log."""
    servers = [Memcached(processes) for _ in range(4)]
    pool = folder / "site.toml"
    pool.write_text(
        '[pool]\nname = "site"\nbackup = "pairs"\n'
        + f'table = "{folder}/site.table"\n'
        + settings
        + "".join(f'\n[[server]]\naddress = "127.0.0.1:{server.port}"\n' for server in servers)
    )
    control = [arguments.memcachectl, "--pool", str(pool)]
    log = open(folder / "log", "wb")
    watchd = processes.start([arguments.watchd, "--pool", str(pool)], stdout=log, stderr=log)
    status = lambda: subprocess.run([*control, "status"], capture_output=True, text=True).stdout
    until(lambda: "attended by" in status(), "memcache-watchd", watchd)
    return pool, servers, watchd, control, log


def passed_by(arguments, processes, folder):
    # The calls' own times are those that are preset; the daemon takes longer than that to be sure.
    pool, servers, _, _, log = attended(arguments, processes, folder, '[watch]\ninterval = "200ms"\ndeadline = "600ms"\n')
    wrong = []
    for what in ["lock", "data"]:
        script = processes.start(
            ["php", "-n", "-d", f"extension={arguments.extension}", "-d", "display_errors=0", str(HERE / "site" / "held.php"), str(pool), what],
            stdout=subprocess.PIPE, stderr=log, stdin=subprocess.PIPE, text=True,
        )
        home = int(script.stdout.readline().rpartition(":")[2])
        server = next(server for server in servers if server.port == home)
        asked = [other.asked() for other in servers if other is not server]
        server.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        told = script.communicate("go on\n")[0]
        took = time.monotonic() - began
        asked = sum(other.asked() for other in servers if other is not server) - sum(asked)
        server.process.send_signal(signal.SIGCONT)
        processes.running.remove(script)
        print(f"site: the server of a session's {what} hung: {told.strip()}; the others had {asked} reads in {took:.1f} s")
        if told.strip() != "written and free":
            wrong.append(what)
        # With pauses of 25 to 50 ms a look at data and lock is some 60 reads in a second; without, thousands.
        if asked > 100 + 150 * took:
            wrong.append("asked again and again")
        subprocess.run([arguments.memcachectl, "--pool", str(pool), "wait", "--steady"], check=True, stdout=log, stderr=log)
    return 1 if wrong else 0


def run(arguments, processes, folder):
    # A server that is slow because the machine is busy shall not count as another dead one.
    pool, servers, watchd, control, log = attended(
        arguments, processes, folder, 'timeout = "10s"\nconnect_timeout = "2s"\n[watch]\ndeadline = "1s"\n')
    port = free_port()
    settings = {
        "extension": arguments.extension,
        "session.save_handler": "libmemcache",
        "session.save_path": str(pool),
        "session.use_strict_mode": "0",
        "session.gc_maxlifetime": "3600",
        "libmemcache.session_lock_wait": "30000",
    }
    site = processes.start(
        ["php", "-n", *(part for item in settings.items() for part in ("-d", "=".join(item))), "-S", f"127.0.0.1:{port}",
         "-t", str(HERE / "site")],
        stdout=log, stderr=log, env={**os.environ, "PHP_CLI_SERVER_WORKERS": str(WORKERS)}, start_new_session=True,
    )
    try:
        until(lambda: listens(port), "PHP's web server", site)
        load = Load(port)
        load.wait_for(arguments.step)
        if arguments.watchd_dies:
            print(f"site: memcache-watchd is killed after {load.answered} requests", flush=True)
            processes.stop(watchd)
            load.wait_for(arguments.step)
        # One of each pair in turn, and the other one of the first when that is full; without the daemon nothing fills it.
        for victim in [0, 3] if arguments.watchd_dies else [0, 3, 1]:
            print(f"site: server {victim + 1} {'hangs' if arguments.hang else 'is killed'} after {load.answered} requests", flush=True)
            if arguments.hang:
                servers[victim].process.send_signal(signal.SIGSTOP)
            else:
                servers[victim].kill()
            load.wait_for(arguments.step)
            if arguments.hang:
                servers[victim].process.send_signal(signal.SIGCONT)
            else:
                servers[victim].start()
            print(f"site: and back after {load.answered}", flush=True)
            if not arguments.watchd_dies:
                subprocess.run([*control, "wait", "--steady"], check=True, stdout=log, stderr=log)
            load.wait_for(arguments.step)
        load.end()
        return judge(load, servers)
    finally:
        # The workers are a group of their own: nobody else's.
        os.killpg(site.pid, signal.SIGKILL)


def judge(load, servers):
    wrong = list(load.failed)
    for session, counts in sorted(load.answers.items()):
        if sorted(counts) != list(range(1, len(counts) + 1)):
            odd = [count for count, times in collections.Counter(counts).items() if times > 1]
            wrong.append(f"{session}: {len(counts)} visits were counted to {max(counts)}, twice: {odd}")
    locks = sorted({key for server in servers for key in server.keys() if key.startswith(PREFIX + "lock.")})
    wrong += [f"a lock is left: {key}" for key in locks]
    for line in wrong[:20]:
        print(f"site: {line}")
    counted = sum(map(len, load.answers.values()))
    print(f"site: {counted} of {load.next} requests of {len(load.answers)} sessions answered and counted, "
          f"{len(load.failed)} failed, {len(locks)} locks left; the slowest took {load.slowest * 1000:.0f} ms")
    return 1 if wrong or counted != load.next else 0


if __name__ == "__main__":
    main()
