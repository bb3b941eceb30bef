# `make` builds bin/zero-linux-x64 and bin/zero-linux-arm64: zero with Node inside, for machines that have none.
.PHONY: all
all: node_modules
	npm run executable

node_modules: package.json package-lock.json
	npm install
	touch node_modules
