# Fills the disk under a daemon while its model answers, and makes room again. $0 is a directory for
# a small disk, in a mount namespace of this script's own; $1 is the program.
mount -t tmpfs -o size=8m none "$0" && cd "$0" || exit 10
k=$1
"$k" init > /dev/null 2>&1 || exit 11
cat > playbook.yml <<'END'
answers:
  - {goal: slow, phase: orient, cycle: 1, delay: 3s, answer: {summary: s, priorities: [], risk_level: low}}
  - {phase: decide, answer: {status: done, reason: r, steps: []}}
  - {phase: orient, answer: {summary: s, priorities: [], risk_level: low}}
END
cat > .kairos/config/daemon.yml <<'END'
model: {provider: playbook, file: playbook.yml}
heartbeat_interval: 1
retention: {keep_free: 1MiB}
END
mkfifo said
"$k" daemon 2> said &
daemon=$!
trap 'kill $daemon 2> /dev/null' EXIT
exec 3< said
# Until it says so on stderr.
heard() { while read -r line <&3; do echo "$line"; case $line in $1) return ;; esac; done; exit 12; }
# Until the journal has so many of these events.
happened() { until [ "$("$k" journal export --jsonl | grep -o "\"type\":\"$1\"" | wc -l)" -ge "$2" ]; do :; done; }

heard '*ready*'
"$k" mandate create --goal slow > /dev/null 2>&1 || exit 13
# No byte is left for a text, a heartbeat or a log.
cat /dev/zero > filler 2> /dev/null
heard 'warning: short of room*'
"$k" mandate create --goal more 2>&1
echo "more: exit $?"
happened call_delayed 1
kill -0 "$daemon" && echo "it lives"
rm filler
heard 'room again*'
"$k" mandate create --goal later --wait > /dev/null 2>&1
echo "later: exit $?"
happened mandate_finished 2
"$k" journal export --jsonl > records
kill "$daemon"
wait "$daemon"
echo "ended $?"
"$k" --json journal verify
cat records
