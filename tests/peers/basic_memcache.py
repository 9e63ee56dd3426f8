"""python3-memcache's basic use, as an application has it, on the server at HOST:PORT.

    python3 basic_memcache.py HOST:PORT

Says what went wrong, and ends with how much was looked at.
"""

import sys

import memcache

looked_at = wrong = 0


def equal(what, got, wanted):
    global looked_at, wrong
    looked_at += 1
    if got != wanted or type(got) is not type(wanted):
        wrong += 1
        print(f"{what}: got {got!r:.200}, not {wanted!r:.200}")


def one_by_one(mc):
    equal("a miss", mc.get("py-a"), None)
    equal("set", mc.set("py-a", "one"), True)
    equal("get", mc.get("py-a"), "one")
    equal("add to what is there", mc.add("py-a", "two"), False)
    equal("add", mc.add("py-b", "two", time=100), True)
    equal("replace", mc.replace("py-b", "three"), True)
    equal("replace what is not there", bool(mc.replace("py-none", "x")), False)
    equal("touch", bool(mc.touch("py-b", 1000)), True)
    equal("delete", mc.delete("py-b"), 1)
    equal("get", mc.get("py-b"), None)
    for value in [0, -7, 2.5, True, None, "", "\u00e4\u00f6", b"\0\r\nEND\r\n", [1, {"x": (2, 3)}], "z" * 300_000]:
        equal("set of a type", mc.set("py-type", value), True)
        equal("get of a type", mc.get("py-type"), value)
    equal("set", mc.set("py-text", "b"), True)
    equal("append", mc.append("py-text", "c"), True)
    equal("prepend", mc.prepend("py-text", "a"), True)
    equal("get", mc.get("py-text"), "abc")
    equal("set compressed", mc.set("py-zip", "q" * 100_000, min_compress_len=1000), True)
    equal("get compressed", mc.get("py-zip"), "q" * 100_000)


def counters(mc):
    equal("incr of nothing", mc.incr("py-n"), None)
    equal("set", mc.set("py-n", 10), True)
    equal("incr", mc.incr("py-n"), 11)
    equal("incr by", mc.incr("py-n", 100), 111)
    equal("decr", mc.decr("py-n", 12), 99)
    equal("decr below", mc.decr("py-n", 1000), 0)


def compare_and_set(address):
    mc = memcache.Client([address], cache_cas=True)
    other = memcache.Client([address])
    equal("set", mc.set("py-c", "one"), True)
    equal("gets", mc.gets("py-c"), "one")
    equal("cas", mc.cas("py-c", "two"), True)
    equal("gets", mc.gets("py-c"), "two")
    equal("set by another", other.set("py-c", "three"), True)
    equal("cas that comes too late", bool(mc.cas("py-c", "four")), False)
    equal("get", other.get("py-c"), "three")


def many(mc):
    values = {f"m{i}": str(i) * (i % 50) for i in range(300)}
    equal("set_multi", mc.set_multi(values, key_prefix="py-"), [])
    equal("get_multi", mc.get_multi([*values, "none"], key_prefix="py-"), values)
    equal("delete_multi", mc.delete_multi([f"m{i}" for i in range(20)], key_prefix="py-"), 1)
    equal("get_multi of the rest", len(mc.get_multi(values, key_prefix="py-")), 280)


def noreply(mc):
    for number in range(100):
        mc.set(f"py-quiet-{number}", number, noreply=True)
    equal("get after noreply", mc.get("py-quiet-99"), 99)
    mc.delete("py-quiet-99", noreply=True)
    equal("get after noreply", mc.get("py-quiet-99"), None)


def main():
    address = sys.argv[1]
    mc = memcache.Client([address])
    equal("flush_all", mc.flush_all(), None)
    one_by_one(mc)
    counters(mc)
    compare_and_set(address)
    many(mc)
    noreply(mc)
    [(_, stats)] = mc.get_stats()
    equal("get_stats", "uptime" in stats, True)
    mc.disconnect_all()
    equal("get on a new connection", mc.get("py-a"), "one")
    print(f"{looked_at} looked at, {wrong} wrong")
    return 1 if wrong or looked_at < 50 else 0


sys.exit(main())
