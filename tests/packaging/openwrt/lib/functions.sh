# Stands in for OpenWrt's: UCI files as variables.

config_load() { eval "$(uci shell "$1")"; }

config_get() {
	eval "$1=\${CONFIG_$2_$3:-\$4}"
}

config_get_bool() {
	config_get "$@"
	eval "case \$$1 in 1|on|true|yes|enabled) $1=1;; 0|off|false|no|disabled) $1=0;; *) $1=\$4;; esac"
}

config_list_foreach() {
	local _one _all
	eval "_all=\$CONFIG_$1_$2"
	for _one in $_all; do
		"$3" "$_one"
	done
}
