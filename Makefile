# Copyright The Blackout Authors
# SPDX-License-Identifier: Apache-2.0

# What a user may set on the command line: make run SCENARIO=… SEED=42
SCENARIO ?= cp-outage-scale-out
ENGINE   ?= auto
STORE    ?=
SEED     ?=
ARGS     ?=
COUNT    ?= 1

# How many topologies make soak starts, and how many harnesses it kills, by
# engine; SOAK_LOG is what it goes on from.
STARTS   ?= local=100,docker=25
KILLS    ?= local=25,docker=25
SOAK_LOG ?= reports/out/soak/log.jsonl

# What make defects does: how often it judges the good gateway, how many runs at a
# time, and, with CHANGED, only the defects whose code differs from that commit
# (auto: from where the branch left origin/main). DEFECTS_LOG is what it goes on from.
CLEAN       ?= cp-outage-scale-out=50,5
PARALLEL    ?= 2
CHANGED     ?=
DEFECTS_LOG ?= reports/out/defects/log.jsonl

# What make repeat repeats, and how often; REPEAT_LOG is what it goes on from.
LABEL      ?= fast
TIMES      ?= 30
REPEAT_LOG ?= reports/out/repeat/log.jsonl

# Which scenarios make scenarios runs: a label.
FAMILY   ?= fast

# How long make fuzz runs each target of the packages FUZZ; FUZZ_LOG is what it
# goes on from.
T        ?= 10s
FUZZ     ?= ./...
FUZZ_LOG ?= reports/out/fuzz/log

GO       ?= go
# All programs of a run in one go command: with an empty build cache the long
# compilations then overlap, and the run itself only links.
PROGRAMS := blackout gateway toxiproxy upstream storefront store impostor netfault

# The directory of the recordings of a real Kong that make conformance replays.
BLACKOUT_CORPUS ?= ../shared/data

# The commit goes into every report; a tree with changes says so.
COMMIT    = $(shell git describe --always --dirty=+changes --abbrev=40 --exclude '*' 2>/dev/null || echo unknown)
LDFLAGS   = -X blackout/harness/run.commit=$(COMMIT)
BUILD     = env CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o bin/

# The suite is one test of the module's root package; everything else is a unit.
# Its specs mostly wait: up to PROCS of them run at a time, each in a topology of its own,
# if the machine has room (harness/admission), and so do changed defects. The race detector
# looks on while it runs on the first engine; on a second one it is the same code.
PROCS    ?= 5
UNITS     = -skip '^TestSuite$$' ./...
GINKGO    = $(GO) tool ginkgo --procs=$(PROCS) --no-color
SUITE     = . -- '-test.run=^TestSuite$$'

# The tests of some units tell a fault's times, or a prober's, from the machine's
# own: make test runs them one package after the other, beside nothing.
TIMED = ./harness/fault/... ./harness/traffic/...
REST  = $$($(GO) list ./... | grep -v '^blackout/\(harness/\(fault\|traffic\)\|reports/browser\)')

# What one goroutine computes, in which there is nothing for the race detector to find,
# make test runs without it alone; properties, of which the units have less, in full.
COMPUTED   = Plans$$|FlatSeries|FalseAlarms|RatioCovers|EachEventMatters|AnySubsetIsJudged|EarlyEndIsNobodysFault
PROPERTIES = Schedules|Flips|NoNineTooMany|Recompute|RoundTrip
ALONE      = ./internal/fallback/election ./internal/gateway/roundtrip ./harness/oracle ./reports ./reports/evidence ./reports/stats ./scenarios

# Reports are looked at in Chromium, with axe-core's rules where its script is.
BROWSER      = $(or $(BLACKOUT_BROWSER),$$(command -v chromium || command -v chromium-browser || command -v google-chrome || true))
BLACKOUT_AXE ?= ../shared/vendor/axe-core-4.14.1.min.js

# The linter is built once for each state of its module and of the Go tool.
TOOLS     = $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/blackout/tools
LINT_MAIN = github.com/golangci/golangci-lint/v2/cmd/golangci-lint

# The unit tests that also go against a real MinIO, which the suite on docker
# builds: where it is not there before, they run once more after it.
MINIO       = $(or $(BLACKOUT_MINIO),$$(ls -t $(TOOLS)/*/minio 2>/dev/null | head -n 1))
MINIO_UNITS = ./harness/store ./harness/fault ./internal/fallback/... ./cmd/blackout
MINIO_TESTS = MinIO|StoreFaults|StoreControls|Killed|ReaderNever

# Other object stores that the tests of the fallback run, which make stores builds.
FAKEGCS = $(or $(BLACKOUT_FAKEGCS),$$(ls -t $(TOOLS)/fakegcs-* 2>/dev/null | grep -v '\.new$$' | head -n 1))
VERSITY = $(or $(BLACKOUT_VERSITYGW),$$(ls -t $(TOOLS)/versitygw-* 2>/dev/null | grep -v '\.new$$' | head -n 1))

# Shell functions for the recipes that run in stages.
#   bounded LIMIT COMMAND…      ends the command after LIMIT. At a terminal it
#                               stays in the foreground, where Ctrl-C reaches it.
#   stage NAME LIMIT COMMAND…   says what runs and how long it took, and
#                               remembers a failure in $failed.
#   leave_out WHAT WHY          says loudly what is not tested, again at the end.
define FUNCTIONS
limiter=$$(command -v timeout || command -v gtimeout || true); \
foreground=; if [ -t 0 ]; then foreground=--foreground; fi; \
if [ -z "$$limiter" ]; then echo "there is no timeout command here: stages are not bounded"; fi; \
bounded() { \
	if [ -z "$$limiter" ]; then shift; "$$@"; return; fi; \
	"$$limiter" $$foreground --kill-after=30s "$$@"; \
}; \
failed=; left_out=; timings=; started=$$(date +%s); \
stage() { \
	name=$$1; limit=$$2; shift 2; \
	echo "==> $$name (at most $$limit)"; began=$$(date +%s); code=0; \
	bounded "$$limit" "$$@" || code=$$?; \
	took=$$(($$(date +%s) - began)); \
	timings="$$timings$$(printf '%6d s  %s' $$took "$$name")\n"; \
	case $$code in \
	0) echo "<== $$name: passed in $$took s" ;; \
	124) echo "<== $$name: FAILED: not done after $$limit"; failed="$$failed [$$name]" ;; \
	*) echo "<== $$name: FAILED with exit code $$code in $$took s"; failed="$$failed [$$name]" ;; \
	esac; \
}; \
leave_out() { \
	echo "*** LEFT OUT: $$1: $$2"; left_out="$$left_out [$$1: $$2]"; \
}; \
docker_answers() { \
	command -v docker >/dev/null 2>&1 && bounded 20s docker info >/dev/null 2>&1; \
}; \
verdict() { \
	printf "$$timings%6d s  in all\n" $$(($$(date +%s) - started)); \
	if [ -n "$$left_out" ]; then echo "*** LEFT OUT:$$left_out"; fi; \
	if [ -n "$$failed" ]; then echo "FAILED:$$failed"; exit 1; fi; \
	echo "all stages that ran have passed"; \
}
endef

.DEFAULT_GOAL := help
.PHONY: help build run test test-short conformance soak nightly defects scenarios repeat docs fuzz lint stores bench docker-up clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo '  SCENARIO=$(SCENARIO) ENGINE=$(ENGINE) (docker, local or auto) STORE=$(STORE) (minio, embedded or empty) SEED=$(SEED) ARGS=$(ARGS)'

build: ## build the tool, the reference gateway and their helpers into bin/
	$(BUILD) $(addprefix ./cmd/,$(PROGRAMS))

run: build ## run SCENARIO on ENGINE, with the plan of SEED if set; ARGS are passed on
	bin/blackout run $(SCENARIO) --engine $(ENGINE) $(if $(SEED),--seed $(SEED)) $(if $(STORE),--store $(STORE)) $(ARGS)

test: ## vet, then all tests, mostly with the race detector: units, and the suite on each engine (or on ENGINE)
	@$(FUNCTIONS); \
	stage vet 5m $(GO) vet ./...; \
	if ! docker_answers; then leave_out 'unit tests that need docker' 'no daemon answers (make docker-up starts an installed one)'; fi; \
	minio="$(MINIO)"; \
	stage units 20m env BLACKOUT_MINIO="$$minio" $(GO) test -race -timeout=0 -count=1 -p 4 -skip '^Test(Suite$$|$(COMPUTED))' $(REST); \
	stage 'schedules, flips, nines, figures and round trips' 10m $(GO) test -count=1 -v -run '^Test($(PROPERTIES)|$(COMPUTED))' $(ALONE); \
	browser="$(BROWSER)"; \
	if [ -n "$$browser" ]; then \
		if [ ! -r '$(BLACKOUT_AXE)' ]; then leave_out 'accessibility of reports' 'there is no axe-core at $(BLACKOUT_AXE) (BLACKOUT_AXE names another)'; fi; \
		stage 'reports in a browser' 5m env BLACKOUT_AXE='$(abspath $(BLACKOUT_AXE))' $(GO) test -count=1 -v ./reports/browser; \
	else \
		leave_out 'reports in a browser' 'there is no chromium (BLACKOUT_BROWSER=required makes that a failure)'; \
	fi; \
	stage 'timed units' 12m env BLACKOUT_MINIO="$$minio" $(GO) test -race -timeout=0 -count=1 -p 1 $(TIMED); \
	stage 'windows of outages' 5m $(GO) test -timeout=0 -count=1 -v -run '^TestWindowsHoldTheTruth$$' ./harness/traffic; \
	case '$(ENGINE)' in \
	docker) leave_out 'suite on local' 'ENGINE=docker' ;; \
	*) stage 'suite on local' 18m env BLACKOUT_ENGINE=local $(GINKGO) --race $(SUITE) ;; \
	esac; \
	if [ '$(ENGINE)' = docker ]; then \
		leave_out 'defects whose code has changed' 'ENGINE=docker'; \
	elif ! git rev-parse -q --git-dir >/dev/null 2>&1; then \
		leave_out 'defects whose code has changed' 'this is no git repository, which has the earlier commit'; \
	else \
		stage 'judge of defects' 5m $(BUILD) ./cmd/blackout ./cmd/defects; \
		stage 'defects whose code has changed' 9m bin/defects --changed auto --at-most 6 --controls=false \
			--parallel $(PROCS) --log reports/out/changed/log.jsonl --anew; \
	fi; \
	case '$(ENGINE)' in \
	local) leave_out 'suite on docker' 'ENGINE=local' ;; \
	docker) stage 'suite on docker' 19m env BLACKOUT_ENGINE=docker $(GINKGO) --race $(SUITE) ;; \
	*) if docker_answers; then \
		stage 'suite on docker' 19m env BLACKOUT_ENGINE=docker $(GINKGO) $(SUITE); \
	else \
		leave_out 'suite on docker' 'no daemon answers (make docker-up starts an installed one)'; \
	fi ;; \
	esac; \
	had="$$minio"; minio="$(MINIO)"; \
	if [ -n "$$minio" ] && [ "$$minio" = "$$had" ]; then \
		echo "units and timed units were run against $$minio too"; \
	elif [ -n "$$minio" ]; then \
		stage 'units on MinIO' 3m env BLACKOUT_MINIO="$$minio" $(GO) test -race -timeout=0 -count=1 -run '$(MINIO_TESTS)' $(MINIO_UNITS); \
	else \
		leave_out 'unit tests against MinIO' 'it is not built (the suite on docker builds it; BLACKOUT_MINIO names another)'; \
	fi; \
	fakegcs="$(FAKEGCS)"; versity="$(VERSITY)"; \
	if [ -n "$$fakegcs" ] && [ -n "$$versity" ]; then \
		stage 'units on further stores' 3m env BLACKOUT_FAKEGCS="$$fakegcs" BLACKOUT_VERSITYGW="$$versity" \
			$(GO) test -race -timeout=0 -count=1 -run 'FakeGCS|Versity' ./internal/fallback/...; \
	else \
		leave_out 'unit tests against versitygw and fake-gcs-server' 'they are not built (make stores builds them; BLACKOUT_VERSITYGW and BLACKOUT_FAKEGCS name others)'; \
	fi; \
	verdict

test-short: ## the unit tests alone, without their long cases
	@$(FUNCTIONS); \
	stage units 17m $(GO) test -race -short -timeout=0 -count=1 $(UNITS); \
	verdict

conformance: ## replay the recordings of a real Kong in the directory BLACKOUT_CORPUS, and print the pass rates
	@if [ ! -d '$(BLACKOUT_CORPUS)' ]; then echo 'NOT MEASURED: there are no recordings in $(BLACKOUT_CORPUS) (BLACKOUT_CORPUS names their directory)'; exit 1; fi
	BLACKOUT_CORPUS='$(abspath $(BLACKOUT_CORPUS))' $(GO) test -count=1 -v ./internal/gateway/conformance

soak: build ## start topologies STARTS times, four at a time, and kill harnesses KILLS times; called again, it goes on
	$(BUILD) ./cmd/soak
	bin/soak --starts '$(STARTS)' --kills '$(KILLS)' --log '$(SOAK_LOG)' $(if $(SEED),--seed $(SEED))

defects: ## judge every gateway with a planted defect, and the good one many times; called again, it goes on
	$(BUILD) ./cmd/blackout ./cmd/defects
	bin/defects --log '$(DEFECTS_LOG)' --parallel $(PARALLEL) $(if $(CHANGED),--changed '$(CHANGED)',--clean '$(CLEAN)') \
		$(if $(CHANGED)$(ARGS),,--table docs/defects.md) $(ARGS)

scenarios: ## run the scenarios of the label FAMILY once each with the race detector (on ENGINE)
	BLACKOUT_ENGINE=$(ENGINE) $(GINKGO) --label-filter='good && ($(FAMILY))' . -- '-test.run=^TestSuite$$'

repeat: ## run the suite's specs of LABEL (on ENGINE) TIMES times without a failure; called again, it goes on
	$(BUILD) ./cmd/repeat
	bin/repeat --name '$(LABEL) on $(ENGINE)' --times $(TIMES) --log '$(REPEAT_LOG)' -- \
		env BLACKOUT_ENGINE=$(ENGINE) $(GINKGO) --label-filter='$(LABEL)' . -- '-test.run=^TestSuite$$'

docs: build ## write what is generated from the code: docs/scenarios.md
	bin/blackout list --markdown >docs/scenarios.md.new && mv docs/scenarios.md.new docs/scenarios.md

nightly: build ## run scenarios for T (15m), on ENGINE and with the plan of SEED if set, and keep a history; see docs/nightly.md
	bin/blackout night --for $(if $(filter command line environment,$(origin T)),$(T),15m) --engine $(ENGINE) $(if $(SEED),--seed $(SEED)) $(ARGS)

fuzz: ## fuzz every target of the packages FUZZ for T each; called again, it goes on with the rest
	@mkdir -p $(dir $(FUZZ_LOG)); touch $(FUZZ_LOG); failed=; ran=0; \
	for at in $$($(GO) list -f '{{.ImportPath}}={{.Dir}}' $(FUZZ)); do \
		for target in $$(grep -hos '^func Fuzz[A-Za-z0-9_]*' $${at#*=}/*_test.go | cut -c 6-); do \
			entry="$(COMMIT) $${at%%=*} $$target $(T)"; ran=$$((ran + 1)); \
			case $(COMMIT) in *+changes) ;; *) if grep -qxF "$$entry" $(FUZZ_LOG); then echo "passed before: $$entry"; continue; fi ;; esac; \
			echo "==> $$entry"; \
			if $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(T) $${at%%=*}; then \
				echo "$$entry" >>$(FUZZ_LOG); \
			else \
				failed="$$failed $${at%%=*}.$$target"; \
			fi; \
		done; \
	done; \
	if [ $$ran -eq 0 ]; then echo "$(FUZZ) has no fuzz target"; exit 1; fi; \
	if [ -n "$$failed" ]; then echo "FAILED:$$failed"; exit 1; fi; \
	echo "$$ran targets passed, $(T) each"

lint: ## gofmt, go vet and golangci-lint
	@unformatted=$$(gofmt -l .) || exit 1; \
	if [ -n "$$unformatted" ]; then echo "not formatted (gofmt -w):"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	@key=$$({ cat tools/lint/go.mod tools/lint/go.sum && $(GO) version; } | cksum | tr ' ' -) || exit 1; \
	linter=$(TOOLS)/golangci-lint-$$key; \
	if [ ! -x "$$linter" ]; then \
		echo "building golangci-lint, which takes some minutes once"; \
		mkdir -p $(TOOLS) && \
		$(GO) build -C tools/lint -trimpath -buildvcs=false -o "$$linter.$$$$" $(LINT_MAIN) && \
		mv "$$linter.$$$$" "$$linter" || exit 1; \
	fi; \
	echo "$$linter run ./..."; "$$linter" run ./...

stores: ## build versitygw and fake-gcs-server, further object stores for tests, once for each state of their modules
	@set -e; for program in versitygw=github.com/versity/versitygw/cmd/versitygw fakegcs=github.com/fsouza/fake-gcs-server; do \
		name=$${program%%=*}; \
		key=$$({ cat tools/$$name/go.mod tools/$$name/go.sum && $(GO) version; } | cksum | tr ' ' -); \
		server=$(TOOLS)/$$name-$$key; \
		if [ ! -x "$$server" ]; then \
			echo "building $$name, which takes some minutes once"; \
			mkdir -p $(TOOLS); \
			CGO_ENABLED=0 $(GO) build -C tools/$$name -trimpath -buildvcs=false -ldflags '-s -w' -o "$$server.new" "$${program#*=}"; \
			mv "$$server.new" "$$server"; \
		fi; \
		echo "$$server"; \
	done

bench: ## run the benchmarks, COUNT times each
	$(GO) test -run '^$$' -bench . -benchmem -count=$(COUNT) $$($(GO) list ./... | grep -v '^blackout/\(cmd/gateway\|internal/gateway/proxy\|harness\)$$')
	$(GO) test -run '^$$' -bench . -benchtime 20x -timeout 20m -count=$(COUNT) ./cmd/gateway ./internal/gateway/proxy
	$(GO) test -run '^$$' -bench . -benchtime 7x -timeout 20m -count=$(COUNT) ./harness

docker-up: ## start the Docker daemon if it is installed and does not run
	@$(FUNCTIONS); \
	if docker_answers; then echo "a docker daemon answers: nothing to do"; exit 0; fi; \
	if ! command -v docker >/dev/null 2>&1; then \
		echo "docker is not installed: the local engine needs none (ENGINE=local)"; exit 0; \
	fi; \
	if ! command -v dockerd >/dev/null 2>&1; then \
		echo "no docker daemon is installed here, and none answers: start Docker Desktop, or set DOCKER_HOST"; exit 0; \
	fi; \
	sudo=; if [ "$$(id -u)" -ne 0 ]; then sudo=sudo; fi; \
	log=$${TMPDIR:-/tmp}/blackout-dockerd.log; \
	if [ -d /run/systemd/system ]; then \
		echo "starting docker: $${sudo:+$$sudo }systemctl start docker"; \
		bounded 60s $$sudo systemctl start docker </dev/null || true; \
	elif [ -x /etc/init.d/docker ]; then \
		echo "starting docker: $${sudo:+$$sudo }/etc/init.d/docker start"; \
		bounded 60s $$sudo /etc/init.d/docker start </dev/null || true; \
	else \
		echo "starting docker: $${sudo:+$$sudo }dockerd, which writes to $$log"; \
		nohup $$sudo dockerd </dev/null >"$$log" 2>&1 & \
	fi; \
	began=$$(date +%s); \
	until docker_answers; do \
		if [ $$(($$(date +%s) - began)) -ge 60 ]; then \
			echo "docker does not answer after 60 s:"; docker info 2>&1 | tail -n 3; \
			if [ -r "$$log" ]; then tail -n 5 "$$log"; fi; \
			exit 1; \
		fi; \
		sleep 1; \
	done; \
	echo "docker answers after $$(($$(date +%s) - began)) s"

clean: ## remove what build and runs left in this directory
	rm -rf bin reports/out
