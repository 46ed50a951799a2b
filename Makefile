# The work is in scripts/. Each target installs what it needs first.
.PHONY: demo up down test bench install package

demo: ## show it at work, on a stack of its own
	@scripts/demo.sh

up: ## leave the stack running on API_PORT (54321) and DB_PORT (54322); .dev/env says where
	@scripts/stack.sh up

down: ## stop what up started
	@scripts/stack.sh down

test: ## every test
	@scripts/test.sh

bench: ## every figure of the README
	@scripts/bench.sh

install: ## into the PostgreSQL of PG_CONFIG
	@scripts/install.sh

package: ## the files to install, below target/release
	@scripts/install.sh package
