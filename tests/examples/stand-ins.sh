# What a page's commands meet instead of the machine: they find servers, daemons and files of their own, below $SANDBOX.
# Every process that is started here ends with this shell.
set -eu
export LC_ALL=C.UTF-8
unset MEMCACHE_POOL
declare -A unit_process
trap 'kill -9 $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true' EXIT

# A process of ours: in the background it takes this shell's place, so that $! is the program's.
run_program() {
    local program=$1
    shift
    case $program in
    memcached) if [ "$(id -u)" = 0 ]; then set -- -u root "$@"; fi ;;
    esac
    if [ "$BASHPID" = $$ ]; then
        command "$program" "$@"
    else
        exec setpriv --pdeathsig KILL "$(type -P "$program")" "$@" >>"$SANDBOX/log" 2>&1
    fi
}
memcached() { run_program memcached "$@"; }
memcache-watchd() { run_program memcache-watchd "$@"; }
memcache-proxy() { run_program memcache-proxy "$@"; }
nutcracker() { run_program nutcracker "$@"; }

# Waits for what was just started in the background, by the words of its command.
ready() {
    local program=$1 word before='' tries=0
    shift
    for word in "$@"; do
        case $program$before in
        memcached-p) until (exec 3<>"/dev/tcp/127.0.0.1/$word") 2>/dev/null; do again; done ;;
        memcache-watchd--pool) until memcachectl --pool "$word" wait --steady --timeout 10s >/dev/null 2>&1; do again; done ;;
        memcache-proxy--pool | nutcracker-c) until all_listen "$word"; do again; done ;;
        esac
        before=$word
    done
}
again() {
    tries=$((tries + 1))
    [ "$tries" -lt 1000 ] || { echo "$program is not ready:"; cat "$SANDBOX/log"; exit 1; }
    command sleep 0.02
}
# Every port that a file says to listen on: of a pool file, or of nutcracker's.
all_listen() {
    local port
    for port in $(sed -n 's/^ *listen *[=:]//p' "$1" | grep -o '127\.0\.0\.1:[0-9]*' | sed 's/.*://'); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || return 1
    done
}

# As sudo does unless told otherwise (env_reset): what was exported does not reach the command.
sudo() {
    local exported=${MEMCACHE_POOL-} status
    unset MEMCACHE_POOL
    "$@"
    status=$?
    [ -z "$exported" ] || export MEMCACHE_POOL="$exported"
    return "$status"
}
groupadd() { :; }
usermod() { :; }
make() { command make -s -C "$REPOSITORY" "DESTDIR=$SANDBOX" "$@" >>"$SANDBOX/log" 2>&1; }
apt-get() { :; }
journalctl() { cat "$SANDBOX/log"; }

# Starts what the unit says, with the sandbox's files.
systemctl() {
    local action=$1 unit name file start
    shift
    for unit in "$@"; do
        case $unit in
        --now) continue ;;
        memcached) name=$unit ;;
        *@*) name=${unit%%@*}@ ;;
        *) name=$unit ;;
        esac
        for file in "$REPOSITORY/packaging/systemd/$name.service" "$SANDBOX/etc/systemd/system/$name.service"; do
            [ ! -e "$file" ] || break
        done
        if [ "$name" = memcached ]; then
            # Debian's own.
            start="memcached -l 127.0.0.1 -p $PORT_11211"
        else
            start=$(sed -n "s/^ExecStart=//p" "$file")
        fi
        start=${start//%i/${unit#*@}}
        start=$(basename "${start%% *}")" ${start#* }"
        start=${start//\/etc\/memcache\//$SANDBOX\/etc\/memcache\/}
        start=${start//-u memcache /}
        case $action in
        enable | start | restart)
            if [ -n "${unit_process[$unit]:-}" ]; then
                kill "${unit_process[$unit]}"
                wait "${unit_process[$unit]}" || true
            fi
            # shellcheck disable=SC2086
            $start &
            unit_process[$unit]=$!
            # shellcheck disable=SC2086
            ready $start
            ;;
        reload) kill -HUP "${unit_process[$unit]}" ;;
        stop | disable)
            kill "${unit_process[$unit]}"
            wait "${unit_process[$unit]}" || true
            ;;
        *)
            echo "systemctl: $action is not known here"
            return 1
            ;;
        esac
    done
}
