# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_memcachectl_global_optspecs
    string join \n pool= h/help V/version
end

function __fish_memcachectl_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_memcachectl_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_memcachectl_using_subcommand
    set -l cmd (__fish_memcachectl_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c memcachectl -n "__fish_memcachectl_needs_command" -l pool -d 'The pool file, see libmemcache-pool(5); the one that MEMCACHE_POOL names unless given' -r -F
complete -c memcachectl -n "__fish_memcachectl_needs_command" -s h -l help -d 'Print help'
complete -c memcachectl -n "__fish_memcachectl_needs_command" -s V -l version -d 'Print version'
complete -c memcachectl -n "__fish_memcachectl_needs_command" -f -a "status" -d 'Shows every server: its state, since when and why, its backup, and what it holds'
complete -c memcachectl -n "__fish_memcachectl_needs_command" -f -a "where" -d 'Shows where a key lives, where it is read and where it is written at this moment'
complete -c memcachectl -n "__fish_memcachectl_needs_command" -f -a "down" -d 'Takes a server out of use: it counts as failed until it is ordered up again'
complete -c memcachectl -n "__fish_memcachectl_needs_command" -f -a "up" -d 'Takes back what was ordered for a server: it is used as soon as it is well'
complete -c memcachectl -n "__fish_memcachectl_needs_command" -f -a "drain" -d 'Empties a server gently: no new keys, what it holds is still read, then it goes down'
complete -c memcachectl -n "__fish_memcachectl_needs_command" -f -a "add" -d 'Adds a server at the end of the list'
complete -c memcachectl -n "__fish_memcachectl_needs_command" -f -a "remove" -d 'Removes a server from the list: the keys are spread over the others anew'
complete -c memcachectl -n "__fish_memcachectl_needs_command" -f -a "replace" -d 'Puts a new, empty server in the place of another one: its keys stay in that place'
complete -c memcachectl -n "__fish_memcachectl_needs_command" -f -a "sweep" -d 'Asks the daemon to move every copy to where it belongs: those of the pool, or those that belong on one server'
complete -c memcachectl -n "__fish_memcachectl_needs_command" -f -a "wait" -d 'Waits until the table calls every server steady that is not ordered down or draining'
complete -c memcachectl -n "__fish_memcachectl_needs_command" -f -a "check" -d 'Reads pool file and table, asks the servers, and says everything that is wrong and what to do'
complete -c memcachectl -n "__fish_memcachectl_needs_command" -f -a "completions" -d 'Prints the completions of a shell'
complete -c memcachectl -n "__fish_memcachectl_using_subcommand status" -l pool -d 'The pool file, see libmemcache-pool(5); the one that MEMCACHE_POOL names unless given' -r -F
complete -c memcachectl -n "__fish_memcachectl_using_subcommand status" -l json -d 'As a JSON document; docs/memcachectl.md describes it field by field'
complete -c memcachectl -n "__fish_memcachectl_using_subcommand status" -l watch -d 'Again each second, until interrupted'
complete -c memcachectl -n "__fish_memcachectl_using_subcommand status" -s h -l help -d 'Print help'
complete -c memcachectl -n "__fish_memcachectl_using_subcommand where" -l pool -d 'The pool file, see libmemcache-pool(5); the one that MEMCACHE_POOL names unless given' -r -F
complete -c memcachectl -n "__fish_memcachectl_using_subcommand where" -l json -d 'As a JSON document; docs/memcachectl.md describes it field by field'
complete -c memcachectl -n "__fish_memcachectl_using_subcommand where" -s h -l help -d 'Print help'
complete -c memcachectl -n "__fish_memcachectl_using_subcommand down" -l timeout -d 'How long to wait until the table shows the change, such as 500ms or 1m' -r
complete -c memcachectl -n "__fish_memcachectl_using_subcommand down" -l pool -d 'The pool file, see libmemcache-pool(5); the one that MEMCACHE_POOL names unless given' -r -F
complete -c memcachectl -n "__fish_memcachectl_using_subcommand down" -l force -d 'Do it although values would be lost or calls would fail'
complete -c memcachectl -n "__fish_memcachectl_using_subcommand down" -s h -l help -d 'Print help'
complete -c memcachectl -n "__fish_memcachectl_using_subcommand up" -l timeout -d 'How long to wait until the table shows the change, such as 500ms or 1m' -r
complete -c memcachectl -n "__fish_memcachectl_using_subcommand up" -l pool -d 'The pool file, see libmemcache-pool(5); the one that MEMCACHE_POOL names unless given' -r -F
complete -c memcachectl -n "__fish_memcachectl_using_subcommand up" -l force -d 'Do it although values would be lost or calls would fail'
complete -c memcachectl -n "__fish_memcachectl_using_subcommand up" -s h -l help -d 'Print help'
complete -c memcachectl -n "__fish_memcachectl_using_subcommand drain" -l timeout -d 'How long to wait until the table shows the change, such as 500ms or 1m' -r
complete -c memcachectl -n "__fish_memcachectl_using_subcommand drain" -l pool -d 'The pool file, see libmemcache-pool(5); the one that MEMCACHE_POOL names unless given' -r -F
complete -c memcachectl -n "__fish_memcachectl_using_subcommand drain" -l force -d 'Do it although values would be lost or calls would fail'
complete -c memcachectl -n "__fish_memcachectl_using_subcommand drain" -s h -l help -d 'Print help'
complete -c memcachectl -n "__fish_memcachectl_using_subcommand add" -l name -d 'What it is called; its address unless given' -r
complete -c memcachectl -n "__fish_memcachectl_using_subcommand add" -l weight -d 'How many places it takes in the list; 1 unless given' -r
complete -c memcachectl -n "__fish_memcachectl_using_subcommand add" -l backup -d 'The name of the server that keeps its second copies; by pairs unless given' -r
complete -c memcachectl -n "__fish_memcachectl_using_subcommand add" -l timeout -d 'How long to wait until the table shows the change, such as 500ms or 1m' -r
complete -c memcachectl -n "__fish_memcachectl_using_subcommand add" -l pool -d 'The pool file, see libmemcache-pool(5); the one that MEMCACHE_POOL names unless given' -r -F
complete -c memcachectl -n "__fish_memcachectl_using_subcommand add" -l force -d 'Do it although values would be lost or calls would fail'
complete -c memcachectl -n "__fish_memcachectl_using_subcommand add" -s h -l help -d 'Print help'
complete -c memcachectl -n "__fish_memcachectl_using_subcommand remove" -l timeout -d 'How long to wait until the table shows the change, such as 500ms or 1m' -r
complete -c memcachectl -n "__fish_memcachectl_using_subcommand remove" -l pool -d 'The pool file, see libmemcache-pool(5); the one that MEMCACHE_POOL names unless given' -r -F
complete -c memcachectl -n "__fish_memcachectl_using_subcommand remove" -l force -d 'Do it although values would be lost or calls would fail'
complete -c memcachectl -n "__fish_memcachectl_using_subcommand remove" -s h -l help -d 'Print help'
complete -c memcachectl -n "__fish_memcachectl_using_subcommand replace" -l timeout -d 'How long to wait until the table shows the change, such as 500ms or 1m' -r
complete -c memcachectl -n "__fish_memcachectl_using_subcommand replace" -l pool -d 'The pool file, see libmemcache-pool(5); the one that MEMCACHE_POOL names unless given' -r -F
complete -c memcachectl -n "__fish_memcachectl_using_subcommand replace" -l force -d 'Do it although values would be lost or calls would fail'
complete -c memcachectl -n "__fish_memcachectl_using_subcommand replace" -s h -l help -d 'Print help'
complete -c memcachectl -n "__fish_memcachectl_using_subcommand sweep" -l timeout -d 'How long at most, such as 30s or 10m; for ever unless given' -r
complete -c memcachectl -n "__fish_memcachectl_using_subcommand sweep" -l pool -d 'The pool file, see libmemcache-pool(5); the one that MEMCACHE_POOL names unless given' -r -F
complete -c memcachectl -n "__fish_memcachectl_using_subcommand sweep" -l wait -d 'Wait until no sweep is under way and every server is steady that is to be used'
complete -c memcachectl -n "__fish_memcachectl_using_subcommand sweep" -s h -l help -d 'Print help'
complete -c memcachectl -n "__fish_memcachectl_using_subcommand wait" -l timeout -d 'How long at most, such as 30s or 10m; for ever unless given' -r
complete -c memcachectl -n "__fish_memcachectl_using_subcommand wait" -l pool -d 'The pool file, see libmemcache-pool(5); the one that MEMCACHE_POOL names unless given' -r -F
complete -c memcachectl -n "__fish_memcachectl_using_subcommand wait" -l steady -d 'Until all are steady; there is nothing else to wait for yet'
complete -c memcachectl -n "__fish_memcachectl_using_subcommand wait" -s h -l help -d 'Print help'
complete -c memcachectl -n "__fish_memcachectl_using_subcommand check" -l pool -d 'The pool file, see libmemcache-pool(5); the one that MEMCACHE_POOL names unless given' -r -F
complete -c memcachectl -n "__fish_memcachectl_using_subcommand check" -s h -l help -d 'Print help'
complete -c memcachectl -n "__fish_memcachectl_using_subcommand completions" -l pool -d 'The pool file, see libmemcache-pool(5); the one that MEMCACHE_POOL names unless given' -r -F
complete -c memcachectl -n "__fish_memcachectl_using_subcommand completions" -s h -l help -d 'Print help'
