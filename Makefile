# make demo     see it work: a recorded site with real faults, diagnosed
# make test     everything that must pass before a change goes in
# make help     the rest

PYTHON ?= python3
# The wall time of all fuzz targets together; 0 leaves fuzzing out.
FUZZ_SECONDS ?= 60
# Where `make bench` keeps its captures (1 GB), and the tools that make and measure them.
BENCH_CAPTURES ?= build/bench
BENCH_TOOLS ?= benchmarks
# How long `make soak-tui` runs. Some minutes pass until all bounds are reached.
SOAK_SECONDS ?= 3600
# Variants of each scenario of `make lab-failover`.
LAB_SEEDS ?= 5

VENV := .venv
RUN := $(VENV)/bin/
# The constraints pin the build backend too, so that a build in a year gives the same tree.
INSTALL := $(RUN)python -m pip install --quiet --disable-pip-version-check --no-input \
	--constraint constraints.txt --build-constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test format lint types contracts check check-model fuzz bench bench-tui soak-tui bench-proxy bench-live bench-tls bench-detect soak soak-serial soak-agent bench-agent \
	lab-failover packages test-packages lock clean
.DELETE_ON_ERROR:

help:
	@echo 'make demo     see it work: a recorded site with real faults, diagnosed'
	@echo 'make test     everything that must pass before a change goes in (FUZZ_SECONDS=0: without fuzzing)'
	@echo 'make format   put the code in its form'
	@echo 'make check    the tests alone; PYTEST="-k tcp" chooses'
	@echo 'make check-model  would training give the model that is shipped? A minute; python -m tests.detect.shipped makes it'
	@echo 'make fuzz     all fuzz targets, FUZZ_SECONDS=$(FUZZ_SECONDS) in all'
	@echo 'make bench    speed and completeness against tshark (needs tshark)'
	@echo 'make bench-tui  how soon the screen is there and answers, and what it costs'
	@echo 'make soak-tui   an hour of replay on the screen, memory watched; SOAK_SECONDS=300 is a short one'
	@echo 'make bench-proxy  what the proxy adds: latency, memory'
	@echo 'make bench-live   what a live capture takes and loses, beside tcpdump (root on Linux, tcpdump, tcpreplay)'
	@echo 'make bench-tls    fieldkit tls beside sslyze, nmap and testssl.sh, where they are (nginx, openssl)'
	@echo 'make bench-detect what the detector costs: time a window, memory; BENCH_DETECT="--python ~/litert/bin/python"'
	@echo 'make soak         eight hours of a site in two minutes: memory must stay where it is'
	@echo 'make soak-serial  an hour of listening to serial devices: no byte sent, none lost; SOAK_SECONDS=330 is a short one'
	@echo 'make lab-failover  outages made on purpose, and what is said of them (root on Linux, nftables, tcpdump; 8 minutes)'
	@echo 'make soak-agent   10,000 findings on their way home while all on it breaks; nothing may be lost (root, mosquitto)'
	@echo 'make bench-agent  what an agent takes of a router, and how quick it is (root on Linux, mosquitto, openssl)'
	@echo 'make packages  what routers and laptops install: .deb, .ipk, .apk, containers, NCOS; into build/packages'
	@echo 'make test-packages  each of them installed and run (root on Linux; debootstrap, qemu-user-static, mosquitto)'
	@echo 'make lock     resolve all dependencies anew into constraints.txt'
	@echo 'make clean    remove what was built'

demo: $(VENV)/.installed
	@$(RUN)fieldkit demo

test: lint types contracts check fuzz

# ------------------------------------------------------------------------------------------------------- environment

# Debian keeps ensurepip, without which a venv has no pip, in a package of its own.
$(VENV)/.created: constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "fieldkit needs Python 3.11 or later; '$(PYTHON)' is not. Try: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; \
		exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "This Python cannot make virtual environments. On Debian or Ubuntu:" >&2; \
		echo "    apt-get install python3-venv" >&2; \
		exit 1; }
	@echo 'Setting up $(VENV) …'
	@$(PYTHON) -m venv --clear $(VENV)
	@# A pip that knows dependency groups (25.1) and build constraints (25.3).
	@$(RUN)python -m pip install --quiet --disable-pip-version-check --no-input --constraint constraints.txt pip
	@touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/.developing: $(VENV)/.installed
	@echo 'Adding the tools for development …'
	@$(INSTALL) --group dev --group fuzz
	@touch $@

# ------------------------------------------------------------------------------------------------------------ checks

format: $(VENV)/.developing
	$(RUN)ruff format
	$(RUN)ruff check --fix

lint: $(VENV)/.developing
	$(RUN)ruff format --check
	$(RUN)ruff check

types: $(VENV)/.developing
	$(RUN)mypy

contracts: $(VENV)/.developing
	$(RUN)lint-imports --no-logo

check: $(VENV)/.developing
	$(RUN)python -m pytest -q -n auto --dist loadfile $(PYTEST)

check-model: $(VENV)/.developing
	@PYTHONPATH=. $(RUN)python -m tests.detect.shipped --check

# Every tests/fuzz/fuzz_*.py is a target for libFuzzer; they share the time, their start-up included. What is worth
# keeping of a run is kept: the inputs that reached new code under build/fuzz/NAME, the one that broke it as
# build/fuzz/NAME-crash-… (or -timeout-…), all that libFuzzer said in build/fuzz/NAME.log.
fuzz: $(VENV)/.developing
	@if [ "$(FUZZ_SECONDS)" -eq 0 ]; then echo 'fuzz: left out'; exit 0; fi; \
	if ! $(RUN)python -c 'import atheris' 2>/dev/null; then \
		echo 'fuzz: left out, atheris has no wheel for this machine'; exit 0; fi; \
	set -- tests/fuzz/fuzz_*.py; \
	end=$$(( $$(date +%s) + $(FUZZ_SECONDS) )); \
	for target; do \
		name=$$(basename $$target .py); work=build/fuzz/$$name; mkdir -p $$work; \
		seconds=$$(( (end - $$(date +%s)) / $$# - 2 )); [ $$seconds -ge 1 ] || seconds=1; \
		PYTHONHASHSEED=0 PYTHONPATH=. $(RUN)python $$target -seed=1 -max_total_time=$$seconds -timeout=10 \
			-rss_limit_mb=1024 -artifact_prefix=$$work- $$work >$$work.log 2>&1 || { \
			tail -n 40 $$work.log | cut -c -500; \
			echo "fuzz: $$name has found something. Again:"; \
			echo "    PYTHONPATH=. $(RUN)python $$target $$(ls -td $$work-*-* | head -n 1)"; \
			exit 1; }; \
		sed -n "s|^#\([0-9]*\)[^a-zA-Z]*DONE *cov: \([0-9]*\).*corp: \([0-9]*\)/.*exec/s: \([0-9]*\) rss: \(.*\)Mb.*|\
fuzz: $$name: \1 runs (\4/s), \2 branches, \3 inputs kept, \5 MB|p" $$work.log | tail -n 1; \
		shift; \
	done

# --------------------------------------------------------------------------------------------------------- benchmark

$(BENCH_CAPTURES)/%.pcap: $(BENCH_TOOLS)/make_capture.py | $(VENV)/.installed
	@mkdir -p $(BENCH_CAPTURES)
	$(RUN)python $< $* $@ $(@:.pcap=.jsonl)

bench: $(VENV)/.installed $(BENCH_CAPTURES)/site.pcap $(BENCH_CAPTURES)/pure.pcap
	@$(RUN)python $(BENCH_TOOLS)/bench.py $(BENCH_CAPTURES) $(RUN)fieldkit

# What `fieldkit proxy` adds, on this machine, in a minute.
bench-proxy: $(VENV)/.installed
	@$(RUN)python $(BENCH_TOOLS)/proxy_latency.py $(RUN)fieldkit

bench-tui: $(VENV)/.installed $(BENCH_CAPTURES)/site.pcap $(BENCH_CAPTURES)/pure.pcap
	@$(RUN)python $(BENCH_TOOLS)/tui.py $(BENCH_CAPTURES)

soak-tui: $(VENV)/.installed $(BENCH_CAPTURES)/pure.pcap
	@$(RUN)python $(BENCH_TOOLS)/soak.py $(BENCH_CAPTURES)/pure.pcap --seconds $(SOAK_SECONDS)

# Virtual cables, replayed traffic, the kernel's own counts; a minute, and it must be root.
bench-live: $(VENV)/.installed $(BENCH_CAPTURES)/site.pcap
	@$(RUN)python $(BENCH_TOOLS)/live.py $(BENCH_CAPTURES)/site.pcap -- $(abspath $(RUN)fieldkit)

# BENCH_TLS="--sslyze PATH": sslyze in an environment of its own (it wants an older cryptography). Two minutes a testssl.
bench-tls: $(VENV)/.installed
	@$(RUN)python $(BENCH_TOOLS)/tls_bench.py $(RUN)fieldkit $(BENCH_TLS)

# BENCH_DETECT="--python PATH": another interpreter with a runtime for the model. A minute.
bench-detect: $(VENV)/.developing
	@PYTHONPATH=. $(RUN)python $(BENCH_TOOLS)/detect_bench.py $(BENCH_DETECT)

soak: $(VENV)/.installed
	@$(RUN)python $(BENCH_TOOLS)/live_soak.py -- $(RUN)fieldkit

soak-serial: $(VENV)/.installed
	@$(RUN)python $(BENCH_TOOLS)/serial_soak.py --seconds $(SOAK_SECONDS) -- $(RUN)fieldkit serial listen

# Eight scenarios, LAB_SEEDS variants of each, in network namespaces: their captures and the truth stay in build/failover.
lab-failover: $(VENV)/.developing
	@PYTHONPATH=. $(RUN)python -m tests.failover.run build/failover --seeds $(LAB_SEEDS)
	@PYTHONPATH=. $(RUN)python -m tests.failover.judge build/failover

# Some minutes: processes killed with SIGKILL, a broker that comes and goes, a disk that is full, days that pass.
soak-agent: $(VENV)/.installed
	@PYTHONPATH=. $(RUN)python $(BENCH_TOOLS)/agent_soak.py

# Ten minutes with a million findings in the outbox. BENCH_AGENT="lite full --seconds 600": some of it, for longer.
bench-agent: $(VENV)/.installed
	@PYTHONPATH=. $(RUN)python $(BENCH_TOOLS)/agent_bench.py $(BENCH_AGENT)

# ---------------------------------------------------------------------------------------------------------- packages

# KINDS="ipk apk" builds those alone.
KINDS ?= all
packages: $(VENV)/.installed
	@$(RUN)python packaging/build.py $(KINDS)

test-packages: $(VENV)/.developing packages
	FIELDKIT_PACKAGES=build/packages $(RUN)python -m pytest -q -s -m packages tests/packaging $(PYTEST)

# ------------------------------------------------------------------------------------------------------- maintenance

# Everything there is, resolved without constraints in an environment of its own, then written down.
lock:
	@set -e; fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	$(PYTHON) -m venv "$$fresh"; \
	pip="$$fresh/bin/python -m pip --quiet --disable-pip-version-check --no-input"; \
	$$pip install --upgrade pip; \
	$$pip install --editable '.[full,scapy,ml]' --group dev --group fuzz hatchling editables; \
	{ \
		echo '# Written by `make lock` on Linux with Python 3.11: what `make` installs, exactly, the build backend and pip included.'; \
		$$pip freeze --all --exclude-editable --exclude setuptools; \
	} >constraints.new
	@mv constraints.new constraints.txt

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
