#!/usr/bin/env bash
# A cluster on one machine, for a look: two relays on a PostgreSQL database with a synchronous standby, and HAProxy in
# front of them. Everything listens on loopback and is kept in one directory.
#
#   cluster.sh start DIR       set it up, or start it again
#   cluster.sh status DIR      what runs, and how the standby does
#   cluster.sh failover DIR    kill the primary and promote the standby
#   cluster.sh standby DIR     make a standby in the place of the primary that failed
#   cluster.sh stop DIR        stop everything; the data stay
#
# PORT is where clients connect (3300). The relays listen on the two ports above it, the databases on the next two.
set -euo pipefail
umask 077 # passwords and data are nobody else's
export LC_ALL=C PGCONNECT_TIMEOUT=5
here=$(realpath "$(dirname "$0")")

die() { echo "cluster.sh: $*" >&2; exit 1; }
say() { echo "== $*"; }

[ $# = 2 ] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2; }
command=$1 dir=$(realpath -m -- "$2")

relay=${RELAY:-$(command -v fernpost-relay || true)}
haproxy=$(command -v haproxy || command -v /usr/sbin/haproxy || true)
# Debian's newest, or whatever is in PATH.
pg=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$pg" ] || pg=$(dirname "$(command -v postgres || echo none/none)")

# PostgreSQL does not run as root.
if [ "$(id -u)" = 0 ]; then
	as_postgres() { runuser -u postgres -- "$@"; }
else
	as_postgres() { "$@"; }
fi

read_settings() {
	[ -f "$dir/settings" ] || die "there is no cluster in $dir: make one with \"cluster.sh start $2\""
	# shellcheck disable=SC1091
	. "$dir/settings" # PORT, and PRIMARY: which of the two databases it is
}
write_settings() { printf 'PORT=%d\nPRIMARY=%d\n' "$PORT" "$PRIMARY" >"$dir/settings"; }

db_port() { echo $((PORT + 2 + $1)); }
standby() { echo $((3 - PRIMARY)); }
running() { as_postgres "$pg/pg_ctl" status -D "$dir/db/$1" >/dev/null 2>&1; }
# Through the socket, whose directory is closed to everybody else.
sql() {
	as_postgres "$pg/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h "$dir/db" -p "$(db_port "$1")" -U postgres -c "$2"
}
start_db() { as_postgres "$pg/pg_ctl" start -w -s -D "$dir/db/$1" -l "$dir/db/$1.log"; }

alive() { [ -f "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }

# await COMMAND…: until it succeeds, for 30 seconds.
await() {
	for _ in $(seq 300); do
		if "$@" >/dev/null 2>&1; then return; fi
		sleep 0.1
	done
	die "gave up waiting for \"$*\": the logs are in $dir"
}

make_databases() {
	[ -x "$pg/initdb" ] || die "PostgreSQL is not installed (on Debian: apt-get install postgresql)"
	mkdir -p "$dir"
	[ -z "$(ls -A "$dir")" ] || die "$dir is not empty"
	[ "$(id -u)" != 0 ] || chmod 711 "$dir" # let the user postgres through
	mkdir "$dir/db"
	[ "$(id -u)" != 0 ] || chown postgres: "$dir/db"
	as_postgres test -w "$dir/db" || die "the user postgres cannot reach $dir: choose another directory"
	PORT=${PORT:-3300} PRIMARY=1
	trap give_up EXIT
	relay_password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	standby_password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')

	say "database 1"
	as_postgres "$pg/initdb" -D "$dir/db/1" -U postgres -E UTF8 --locale=C --auth-local=trust \
		--auth-host=scram-sha-256 >/dev/null
	as_postgres tee -a "$dir/db/1/postgresql.conf" >/dev/null <<-CONF
		listen_addresses = '127.0.0.1'
		unix_socket_directories = '$dir/db'
		wal_keep_size = 256MB # a standby that was away for a while finds what it missed
	CONF
	as_postgres tee "$dir/db/1/pg_hba.conf" >/dev/null <<-HBA
		local all         postgres              trust
		host  relay       relay    127.0.0.1/32 scram-sha-256
		host  replication standby  127.0.0.1/32 scram-sha-256
	HBA
	as_postgres tee -a "$dir/db/1/postgresql.auto.conf" <<<"port = $(db_port 1)" >/dev/null
	start_db 1
	# On standard input: what stands on a command line is seen by everybody who lists processes.
	as_postgres "$pg/psql" -X -q -v ON_ERROR_STOP=1 -h "$dir/db" -p "$(db_port 1)" -U postgres <<-SQL
		SET log_statement = 'none';
		CREATE ROLE relay LOGIN PASSWORD '$relay_password';
		CREATE ROLE standby LOGIN REPLICATION PASSWORD '$standby_password';
		CREATE DATABASE relay OWNER relay;
	SQL
	as_postgres tee "$dir/db/pgpass" <<<"127.0.0.1:*:replication:standby:$standby_password" >/dev/null
	echo "127.0.0.1:*:relay:relay:$relay_password" >"$dir/pgpass"
	make_standby
	write_settings # now there is a cluster
	trap - EXIT
}
give_up() {
	for n in 1 2; do
		if running "$n"; then as_postgres "$pg/pg_ctl" stop -s -m immediate -D "$dir/db/$n"; fi
	done
	echo "cluster.sh: it could not be set up; what is there of it is in $dir" >&2
}

# make_standby copies the primary, and has it wait for the copy with each COMMIT from then on.
make_standby() {
	local new from
	new=$(standby) from=$PRIMARY
	say "database $new, the standby of $from"
	as_postgres env PGPASSFILE="$dir/db/pgpass" "$pg/pg_basebackup" -D "$dir/db/$new" -R -c fast \
		-h 127.0.0.1 -p "$(db_port "$from")" -U standby
	# What comes last counts: its own port, and nobody to wait for should it be promoted.
	as_postgres tee -a "$dir/db/$new/postgresql.auto.conf" >/dev/null <<-CONF
		port = $(db_port "$new")
		synchronous_standby_names = ''
	CONF
	start_db "$new"
	sql "$from" "ALTER SYSTEM SET synchronous_standby_names = '*'"
	sql "$from" "SELECT pg_reload_conf()" >/dev/null
	await standby_in_step
}
standby_in_step() {
	[ "$(sql "$PRIMARY" "SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'")" = sync ]
}

# with_store COMMAND…: of a relay, with the database.
with_store() {
	local url="postgres://relay@127.0.0.1:$(db_port 1),127.0.0.1:$(db_port 2)/relay"
	PGPASSFILE="$dir/pgpass" "$@" --store "$url?target_session_attrs=read-write&sslmode=disable"
}

start_relay() {
	alive "$dir/relay$1.pid" && return
	with_store exec nohup "$relay" --listen "127.0.0.1:$((PORT + $1))" --trust-proxy 127.0.0.1 \
		</dev/null >>"$dir/relay$1.log" 2>&1 &
	echo $! >"$dir/relay$1.pid"
}

relay_ready() { curl -fsS --max-time 3 "http://127.0.0.1:$((PORT + $1))/readyz"; }

start() {
	[ -x "${relay:-}" ] || die "fernpost-relay is not in PATH: build it, and name it with RELAY=FILE"
	[ -n "$haproxy" ] || die "HAProxy is not installed (on Debian: apt-get install haproxy)"
	if [ -f "$dir/settings" ]; then
		read_settings "$@"
		running "$PRIMARY" || start_db "$PRIMARY"
		if ! is_failed "$(standby)"; then
			running "$(standby)" || start_db "$(standby)"
		fi
	else
		make_databases
	fi
	say "relays and HAProxy"
	start_relay 1
	start_relay 2
	await relay_ready 1
	await relay_ready 2
	if ! alive "$dir/haproxy.pid"; then
		PORT=$PORT RELAY1=$((PORT + 1)) RELAY2=$((PORT + 2)) nohup "$haproxy" -db -f "$here/haproxy.cfg" \
			</dev/null >>"$dir/haproxy.log" 2>&1 &
		echo $! >"$dir/haproxy.pid"
	fi
	await curl -fsS --max-time 3 "http://127.0.0.1:$PORT/"
	with_store "$relay" user show local --json | sed 's/.*"user_key":"\([^"]*\)".*/\1/' >"$dir/user-key"
	cat <<-EOT
		
		The relay is at http://127.0.0.1:$PORT. Through a proxy it makes channels for a user key only:
		  fernpost init lab --relay http://127.0.0.1:$PORT --user-key-file $(printf %q "$dir/user-key") --generate
		  fernpost send --room lab 'hello'
		  fernpost recv --room lab
	EOT
}

# A database failed if it is no standby and is not the primary: it was one, and may hold what nobody else has.
is_failed() { [ "$1" != "$PRIMARY" ] && [ ! -f "$dir/db/$1/standby.signal" ]; }

status() {
	read_settings "$@"
	for n in 1 2; do
		local role=standby state=stopped
		if [ "$n" = "$PRIMARY" ]; then role=primary; elif is_failed "$n"; then role=failed; fi
		if running "$n"; then state=running; fi
		echo "database $n  127.0.0.1:$(db_port "$n")  $role, $state"
	done
	if running "$PRIMARY"; then
		echo "standby     $(sql "$PRIMARY" "SELECT state || ', ' || sync_state || ', ' ||
			pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) || ' bytes behind' FROM pg_stat_replication" | grep . ||
			echo "none: $([ -n "$(sql "$PRIMARY" 'SHOW synchronous_standby_names')" ] &&
				echo 'updates wait for one' || echo 'nobody waits for one, another failure loses data')")"
	fi
	for n in 1 2; do
		echo "relay $n     127.0.0.1:$((PORT + n))  $(relay_ready "$n" 2>/dev/null || echo 'not ready')"
	done
	echo "HAProxy     127.0.0.1:$PORT  $(alive "$dir/haproxy.pid" && echo running || echo stopped)"
}

failover() {
	read_settings "$@"
	local old=$PRIMARY begun
	running "$(standby)" || die "there is no standby: make one with \"cluster.sh standby $2\""
	say "database $old fails"
	# Immediate: nothing is finished, nobody is told. What comes next is safe only because it surely is down.
	if running "$old"; then as_postgres "$pg/pg_ctl" stop -w -s -m immediate -D "$dir/db/$old"; fi
	begun=$(date +%s%N)
	say "database $(standby) takes over"
	[ "$(sql "$(standby)" "SELECT pg_promote(true, 60)")" = t ] || die "it was not promoted: see $dir/db/$(standby).log"
	PRIMARY=$(standby)
	write_settings
	await relay_ready 1
	await relay_ready 2
	echo "both relays are ready again, $((($(date +%s%N) - begun) / 1000000)) ms after the promotion began"
	echo "until there is another standby, one more failure loses data: cluster.sh standby $2"
}

remake_standby() {
	read_settings "$@"
	local n
	n=$(standby)
	if [ -d "$dir/db/$n" ]; then
		is_failed "$n" || die "database $n is a standby already"
		if running "$n"; then die "database $n runs as if it were the primary: stop it"; fi
		# It may have written what the standby never got: it cannot go on from where it is.
		rm -rf "$dir/db/$n.failed"
		as_postgres mv "$dir/db/$n" "$dir/db/$n.failed"
		echo "what the failed one held is in $dir/db/$n.failed"
	fi
	make_standby
}

stop() {
	read_settings "$@"
	local pids=()
	for name in haproxy relay1 relay2; do # from the front to the back
		if alive "$dir/$name.pid"; then
			pids+=("$(cat "$dir/$name.pid")")
			kill "${pids[-1]}"
		fi
	done
	for pid in "${pids[@]}"; do await ended "$pid"; done
	for n in "$PRIMARY" "$(standby)"; do # the standby gets the rest
		if running "$n"; then as_postgres "$pg/pg_ctl" stop -w -s -m fast -D "$dir/db/$n"; fi
	done
	rm -f "$dir"/*.pid
	say "stopped; everything is in $dir"
}
ended() { ! kill -0 "$1" 2>/dev/null; }

case $command in
start) start "$@" ;;
status) status "$@" ;;
failover) failover "$@" ;;
standby) remake_standby "$@" ;;
stop) stop "$@" ;;
*) die "there is no \"$command\": start, status, failover, standby or stop" ;;
esac
