#!/usr/bin/env node
// Without a handler SIGUSR1 would start Node's inspector; here it means "reopen the log". It can come at any moment, so this is first.
process.on('SIGUSR1', () => {});

const { existsSync } = require('node:fs');
const bundle = `${__dirname}/../dist/zero.cjs`;
if (!existsSync(bundle)) {
  console.error('zero: this checkout is not built yet: run `npm install && npm run build`');
  process.exit(1);
}
require(bundle);
