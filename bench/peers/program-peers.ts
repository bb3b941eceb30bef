import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../test/support/free-address.ts';
import { nginxBuffers } from '../../test/support/nginx.ts';
import { ROOT } from '../../test/support/paths.ts';
import { temporaryFolder } from '../../test/support/temporary.ts';
import { pause } from '../clock.ts';
import {
  childrenOf,
  HOST,
  missing,
  type Peer,
  processesWith,
  replaceWorkers,
  startGroup,
  until,
  untilAnswering,
} from './peer.ts';

/* Programs that replace themselves: the library tableflip, and servers with their own reload. */

const SETTLED_MS = 500;
const NOTICED_MS = 50;
const TABLEFLIP = '/usr/share/gocode/src/github.com/cloudflare/tableflip';
const NGINX = '/usr/sbin/nginx';
const HAPROXY = '/usr/sbin/haproxy';

export const tableflip: Peer = {
  name: 'tableflip',
  missing: () =>
    missing('/usr/bin/go', 'golang-go') ?? missing(TABLEFLIP, 'golang-github-cloudflare-tableflip-dev'),
  reloads: true,
  behaviours: ['graceful', 'dies'],
  async start(scope, behaviour) {
    const folder = temporaryFolder(scope);
    const port = await freePort(HOST);
    const program = join(folder, 'service');
    execFileSync('go', ['build', '-o', program, join(ROOT, 'bench', 'peers', 'tableflip', 'main.go')], {
      env: { ...process.env, GO111MODULE: 'off', GOPATH: '/usr/share/gocode' },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const pidFile = join(folder, 'pid');
    const dies = behaviour === 'dies' ? ['dies'] : [];
    startGroup(scope, [program, pidFile, `${HOST}:${port}`, ...dies]);
    const since = await untilAnswering(port);
    const workers = () => processesWith(pidFile);
    const current = () => Number(existsSync(pidFile) ? readFileSync(pidFile, 'utf8') : 0);
    await until(() => current() > 0, 'the pid of the service');
    const reload = async () => {
      const before = current();
      process.kill(before, 'SIGHUP');
      await until(() => current() !== before && !workers().includes(before), 'a new process');
      // tableflip refuses the next upgrade until it has noticed that the old process has exited.
      await pause(NOTICED_MS);
    };
    return { port, since, manager: null, workers, reload };
  },
};

interface Server {
  readonly name: string;
  readonly missing: () => string | null;
  /** The text of the config for a port, with its files in a folder. */
  readonly config: (folder: string, port: number) => string;
  /** The command for a config file. */
  readonly command: (file: string) => readonly string[];
  /** The signal that replaces the workers. */
  readonly signal: NodeJS.Signals;
}

/** A server with a master that replaces its workers at a signal. */
const server = ({ name, missing: lacks, config, command, signal }: Server): Peer => ({
  name,
  missing: lacks,
  reloads: true,
  behaviours: ['graceful'],
  async start(scope) {
    const folder = temporaryFolder(scope);
    const port = await freePort(HOST);
    const file = join(folder, 'config');
    writeFileSync(file, config(folder, port));
    const manager = startGroup(scope, command(file));
    const since = await untilAnswering(port);
    const workers = () => childrenOf(manager);
    await until(() => workers().length > 0, 'a worker');
    // The master of haproxy executes itself again after its worker has started, and loses a signal that arrives
    // meanwhile.
    await pause(SETTLED_MS);
    const ask = () => void process.kill(manager, signal);
    return { port, since, manager, workers, reload: () => replaceWorkers(workers, ask) };
  },
});

export const nginx = server({
  name: 'nginx reload',
  missing: () => missing(NGINX, 'nginx-light'),
  config: (folder, port) => `worker_processes 1; daemon off; pid ${folder}/pid; error_log /dev/null;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 1000000; ${nginxBuffers(folder)}
  server { listen ${HOST}:${port}; location / { return 200 "hello\\n"; } } }
`,
  command: (file) => [NGINX, '-e', '/dev/null', '-c', file],
  signal: 'SIGHUP',
});

export const haproxy = server({
  name: 'haproxy reload',
  missing: () => missing(HAPROXY, 'haproxy'),
  // The new worker receives the sockets from the old one over the socket of `stats`.
  config: (folder, port) => `global
  stats socket ${folder}/admin mode 600 level admin expose-fd listeners
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend http
  bind ${HOST}:${port}
  http-request return status 200 content-type text/plain string "hello\\n"
`,
  command: (file) => [HAPROXY, '-Ws', '-f', file],
  signal: 'SIGUSR2',
});
