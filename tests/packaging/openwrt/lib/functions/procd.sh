# Stands in for OpenWrt's: what an init script says is written down, a line a call, and handed to procd in one piece.

_said=/tmp/.procd.$$

_note() {
	printf '%s\037' "$@"
	echo
}

procd_open_service() { _note service "$1" >"$_said"; }
procd_open_instance() { _note instance "${1:-instance1}" >>"$_said"; }
procd_close_instance() { return 0; }
procd_add_reload_trigger() { _note trigger "$1" >>"$_said"; }

procd_set_param() {
	if [ "$1" = reload_signal ]; then
		set -- "$1" "$(kill -l "$2")"
	fi
	_note "$@" >>"$_said"
}

procd_close_service() {
	service_triggers
	/usr/libexec/procd set <"$_said"
	rm "$_said"
}

procd_kill() { /usr/libexec/procd delete "$1"; }
procd_running() { /usr/libexec/procd running "$1"; }
procd_send_signal() { /usr/libexec/procd signal "$1" "${3:-HUP}"; }
