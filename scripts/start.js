// Shows zero's main task with the example: starts zero with config.example.yaml and prints its address and the reload
// command.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CONFIG = 'config.example.yaml';
const root = fileURLToPath(new URL('..', import.meta.url));
const [, address] = /^\s*address: (.+)$/m.exec(readFileSync(join(root, CONFIG), 'utf8')) ?? [];
const zero = spawn(process.execPath, ['bin/zero.js', '--config', CONFIG], { cwd: root, stdio: 'inherit' });
zero.on('spawn', () => {
  console.error(`
  open            http://${address}/
  reload it with  kill -HUP ${zero.pid}
  stop with       Ctrl-C
`);
});
// A terminal sends Ctrl-C to zero as well, and npm sends it to this process again. If it were passed on, it would mean
// "stop now".
process.on('SIGINT', () => {});
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => zero.kill(signal));
zero.on('exit', (code) => process.exit(code ?? 1));
