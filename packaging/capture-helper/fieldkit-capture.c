/*
 * The capture helper with a capability of its own, where there is neither sudo nor systemd.
 *
 * A file capability belongs to a program, and a script's program is the interpreter: setcap on python3 would give the
 * right to every Python program of every user. This small program has the right instead and hands it on (as an ambient
 * capability, capabilities(7)) to one command and to nothing else: "fieldkit capture-helper", which drops all others.
 * Python is started isolated (-I) and with an empty environment: nothing of the caller's decides what it loads.
 *
 *   cc -O2 -Wall -o fieldkit-capture fieldkit-capture.c
 *   install -D -o root -g fieldkit -m 750 fieldkit-capture /usr/libexec/fieldkit/fieldkit-capture
 *   setcap cap_net_raw=ep /usr/libexec/fieldkit/fieldkit-capture
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PYTHON
#define PYTHON "/usr/bin/python3"
#endif
/* Directories with the modules, where they are not Python's own; only root may be able to write to them. */
#ifndef MODULES
#define MODULES ""
#endif
#define MOST_ARGUMENTS 512

static int fail(const char *what)
{
	fprintf(stderr, "fieldkit-capture: %s: %s\n", what, strerror(errno));
	return 3;
}

int main(int count, char **given)
{
	static char *none[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", NULL };
	static char start[] =
		"import sys; sys.path[:0] = [p for p in '" MODULES "'.split(':') if p]; "
		"sys.argv[0] = 'fieldkit'; from fieldkit.cli import main; main()";
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { 0, 0, 0 }, { 0, 0, 0 } };
	char *arguments[MOST_ARGUMENTS + 8];
	int at = 0;

	if (count < 1 || count > MOST_ARGUMENTS) {
		fputs("fieldkit-capture: too many arguments\n", stderr);
		return 2;
	}
	/* Whoever has no such capability now (setcap was forgotten) is told so by the first of these calls. */
	data[0].effective = data[0].permitted = data[0].inheritable = 1u << CAP_NET_RAW;
	if (syscall(SYS_capset, &header, data))
		return fail("it has no right to capture (setcap cap_net_raw=ep)");
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0))
		return fail("the right cannot be handed on");
	arguments[at++] = PYTHON;
	arguments[at++] = "-I";
	arguments[at++] = "-c";
	arguments[at++] = start;
	arguments[at++] = "capture-helper";
	for (int each = 1; each < count; each++)
		arguments[at++] = given[each];
	arguments[at] = NULL;
	execve(PYTHON, arguments, none);
	return fail(PYTHON);
}
