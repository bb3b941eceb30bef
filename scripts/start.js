// The main job on the example: starts zero on config.example.yaml and says where to look and how to reload it.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const zero = spawn(process.execPath, ['bin/zero.js', '--config', 'config.example.yaml'], {
  cwd: root,
  stdio: 'inherit',
});
zero.on('spawn', () => {
  console.error(`
  open            http://localhost:8080/
  reload it with  kill -HUP ${zero.pid}
  stop with       Ctrl-C
`);
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  // A terminal sends Ctrl-C to zero as well; everything else is passed on.
  process.on(signal, () => signal === 'SIGINT' || zero.kill(signal));
}
zero.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 0 : 1)));
