# libmemcached's command line tools on the server at HOST:PORT: each once, as its manual has it.
#
#   sh -eu tools.sh HOST:PORT
server=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

fail() {
    echo "tools: $*" >&2
    exit 1
}

echo 'some text' >tools-small
head -c 300000 /dev/urandom >tools-large
memccp -s "$server" --flag=7 --expire=1000 tools-small tools-large
memccat -s "$server" --file=copy tools-large
cmp -s tools-large copy || fail "memccat: another text than memccp stored"
[ "$(memccat -s "$server" tools-small | head -n 1)" = 'some text' ] || fail "memccat: not the text of memccp"
[ "$(memccat -s "$server" --flag tools-small | head -n 1)" = 7 ] || fail "memccat: not the flags of memccp"
memcexist -s "$server" tools-small || fail "memcexist: tools-small is there"
! memcexist -s "$server" tools-none 2>/dev/null || fail "memcexist: tools-none is not there"
memctouch -s "$server" --expire=1000 tools-small || fail "memctouch: tools-small is there"
memcrm -s "$server" tools-small || fail "memcrm: tools-small is there"
! memccat -s "$server" tools-small >/dev/null 2>&1 || fail "memcrm: tools-small is there still"
memcping -s "$server" || fail "memcping: nobody is there"
memcstat -s "$server" | grep -q 'uptime' || fail "memcstat: no uptime"
memcflush -s "$server" || fail "memcflush"
! memcexist -s "$server" tools-large 2>/dev/null || fail "memcflush: tools-large is there still"
echo 'tools: all is well'
