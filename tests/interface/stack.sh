# The other scripts of this folder source this. Starts a local stack on free ports, which ends with the script.
# Sets $api (with /v3), $data (its data directory) and $cee (the program). `stop_stack` and `start_stack` restart it on the same data.
cee=${CEE:-target/debug/cee}
[[ -n ${CEE:-} ]] || cargo build --quiet --bin cee
work=$(mktemp -d)
data=$work/data
stack=
stop_stack() {
    [[ -z $stack ]] || kill "$stack" 2>/dev/null || true
    [[ -z $stack ]] || wait "$stack" 2>/dev/null || true
    stack=
}
trap 'stop_stack; rm -rf "$work"' EXIT
start_stack() {
    # The loop below may read the file before the program has opened it.
    : >"$work/stdout"
    # No limit of calls: otherwise most of the thousands of generated calls would get a 429.
    "$cee" serve --calls-per-second 0 --port 0 --dynamodb-port 0 --s3-port 0 --data-dir "$data" "$@" >"$work/stdout" 2>"$work/stderr" &
    stack=$!
    until grep -qx ready "$work/stdout"; do
        kill -0 "$stack" || { cat "$work/stderr" >&2; exit 1; }
        sleep 0.1
    done
    api=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["api_url"])' "$data/local.json")
}
start_stack "$@"
