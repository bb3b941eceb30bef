// Part of the build: runs a supervisor through a start and a reload, and keeps the code that V8 compiled for it.
const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join, resolve } = require('node:path');
const v8 = require('node:v8');
const { load } = require('./code-cache.cjs');

// The first generation asks for its successor, the second for the end.
const SERVICE = 'if [ $1 = 1 ]; then kill -HUP $PPID; exec sleep 60; else kill -TERM $PPID; fi';

const folder = mkdtempSync(join(tmpdir(), 'zero-build-'));
const config = join(folder, 'zero.yaml');
writeFileSync(
  config,
  `application:
  logging: { format: json, file: ${join(folder, 'log')} }
  runtime_directory: ${join(folder, 'run')}
  data_directory: ${join(folder, 'data')}
service:
  listeners:
    - name: http
      address: localhost:0
      socket_fd: 3
  runtime:
    path: /bin/sh
    args: ['-c', '${SERVICE}', 'sh', '\${generation}']
    environment: [{ key: PATH }]
  options: { reload_uptime: 10ms, shutdown_timeout: 1s }
`,
);
// V8 takes code only under the flags that it was compiled under; a supervisor changes them once its service runs.
v8.setFlagsFromString = () => {};

const file = resolve(process.argv[2], 'run.code.cjs');
const { exports: supervisor, keep } = load(file);
supervisor.runFile(config).then((code) => {
  keep();
  if (load(file).refused) throw new Error('V8 does not take the code that it has just made');
  rmSync(folder, { recursive: true });
  process.exitCode = code;
});
