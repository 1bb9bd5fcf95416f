# Every target works on a bare Debian 12 machine with Go 1.26 and make, as root:
# what is missing is installed by apt-get or built, and kept outside this tree.

LAB        := go -C test/lab run .
LAB_ENV    := /var/lib/kubernaut-lab/env.json
OVERLAY    ?= kustomize/overlays/default
CONTROLLER := go tool -modfile=go.tools.mod controller-gen
STATIC     := go tool -modfile=go.tools.mod staticcheck
GENERATED   = find api kustomize/base -name 'zz_*' -o -path '*/crd/*' -name '*.yaml' -o -name role.yaml

export KUBERNAUT_LAB ?= $(LAB_ENV)

.PHONY: help
help: ## Say what can be done
	@awk -F ':.*## ' '/^[a-z][-a-z0-9]*:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the CLI and the controller into bin/
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/ ./cmd/kubernaut ./cmd/controller

.PHONY: generate
generate: ## Write deepcopy, CRDs and RBAC from the Go sources
	$(CONTROLLER) object paths=./api/... crd output:crd:artifacts:config=kustomize/base/crd
	$(CONTROLLER) rbac:roleName=kubernaut-controller paths=./controllers/... paths=./cmd/controller/... output:rbac:dir=kustomize/base/rbac

.PHONY: verify
verify: deps ## Fail on stale generated files, unformatted code, and what vet and staticcheck find
	@before=$$($(GENERATED) | sort | xargs sha256sum); \
	$(MAKE) --no-print-directory generate || exit 1; \
	after=$$($(GENERATED) | sort | xargs sha256sum); \
	test "$$before" = "$$after" || { echo 'generated files were stale: commit what has changed now'; git status --short; exit 1; }
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "run gofmt -w on: $$unformatted"; exit 1; }
	go vet ./...
	$(STATIC) ./...
	for module in test/lab test/bench/edit test/bench/verify; do go -C $$module vet ./... || exit 1; done
	@test -z "$$CI" || test -z "$$(git status --porcelain)" || { echo 'the tree is dirty:'; git status --short; exit 1; }

.PHONY: test
test: deps ## Run all tests but those that need the lab; builds a Kubernetes API server once
	assets=$$($(LAB) assets) && KUBEBUILDER_ASSETS=$$assets go test -race $$(go list ./... | grep -v /test/e2e)
	go test -count=1 ./test/sim -seeds=10000
	for module in test/lab test/bench/edit test/bench/verify; do go -C $$module test ./... || exit 1; done

.PHONY: e2e
e2e: lab-up ## Run the end-to-end tests on the lab
	go test -v -count=1 -timeout 40m ./test/e2e/

.PHONY: bench
bench: ## Run the benchmarks of the pure packages and of a reconcile
	go test -run '^$$' -bench . -benchmem ./actions/contract/... ./catalog ./controllers/execution ./gitops/edit/... ./internal/...

.PHONY: bench-verify
bench-verify: ## Compare the verifier with its peers: verdicts, requests and times, in one run
	go -C test/bench/verify run . 2>/dev/null

.PHONY: bench-edit
bench-edit: ## Compare the editor with three others: lines touched, comments lost, wrong results, time
	go -C test/bench/edit run .

.PHONY: demo
demo: lab-up ## Show a remediation from an out-of-memory pod to its merged pull request
	go run ./test/e2e/demo

.PHONY: demo-clean
demo-clean: lab-down ## Remove everything that the demo made, the lab included

.PHONY: install
install: ## Install OVERLAY into the cluster of the current kubeconfig; IMAGE names the controller
	go run ./cmd/kubernaut install $(OVERLAY) $(if $(IMAGE),--image $(IMAGE))

.PHONY: lab-up
lab-up: deps ## Start a real cluster, registry, forge and Sigstore on this machine
	$(LAB) up

.PHONY: lab-down
lab-down: ## Stop the lab and remove its state; built binaries stay cached
	$(LAB) down

.PHONY: deps
deps: ## Install the Debian packages that building and testing need
	@command -v git >/dev/null && command -v gcc >/dev/null || \
	{ apt-get update -qq && apt-get install -y -qq --no-install-recommends git gcc libc6-dev ca-certificates; }
