import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../test/support/free-address.ts';
import { ROOT } from '../../test/support/paths.ts';
import { type Scope, temporaryFolder } from '../../test/support/temporary.ts';
import { pause } from '../clock.ts';
import { missing } from './node-peers.ts';
import { childrenOf, type Peer, processesWith, until, untilAnswering } from './peer.ts';

/* Programs that replace themselves: the library tableflip, and servers with a reload of their own. */

const HOST = '127.0.0.1';
const SETTLED_MS = 500;
const NOTICED_MS = 50;
const TABLEFLIP = '/usr/share/gocode/src/github.com/cloudflare/tableflip';
const NGINX = '/usr/sbin/nginx';
const HAPROXY = '/usr/sbin/haproxy';

/** Starts a program whose descendants have a word in their command line, or are its children. Returns its pid. */
function run(scope: Scope, command: readonly string[], folder: string): number {
  const [path = '', ...args] = command;
  const { pid } = spawn(path, args, { stdio: 'ignore' });
  if (pid === undefined) throw new Error(`${path} could not be started`);
  scope.after(() => {
    for (const one of [pid, ...childrenOf(pid), ...processesWith(folder)]) {
      try {
        process.kill(one, 'SIGKILL');
      } catch {
        // It has exited.
      }
    }
  });
  return pid;
}

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
    run(scope, [program, pidFile, `${HOST}:${port}`, ...dies], folder);
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

/** A master and its workers, with a signal to the master that replaces them. */
async function startServer(
  scope: Scope,
  port: number,
  folder: string,
  command: readonly string[],
  signal: NodeJS.Signals,
): ReturnType<Peer['start']> {
  const manager = run(scope, command, folder);
  const since = await untilAnswering(port);
  const workers = () => childrenOf(manager);
  await until(() => workers().length > 0, 'a worker');
  // The master of haproxy executes itself again when its worker is there, and a signal meanwhile is lost.
  await pause(SETTLED_MS);
  const reload = async () => {
    const before = new Set(workers());
    process.kill(manager, signal);
    await until(() => {
      const after = workers();
      return after.length > 0 && after.every((pid) => !before.has(pid));
    }, 'new workers');
  };
  return { port, since, manager, workers, reload };
}

export const nginx: Peer = {
  name: 'nginx reload',
  missing: () => missing(NGINX, 'nginx-light'),
  reloads: true,
  behaviours: ['graceful'],
  async start(scope) {
    const folder = temporaryFolder(scope);
    const port = await freePort(HOST);
    const config = join(folder, 'nginx.conf');
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path ${folder}/${name};`,
    );
    writeFileSync(
      config,
      `worker_processes 1; daemon off; pid ${folder}/pid; error_log /dev/null;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 1000000; ${temporary.join(' ')}
  server { listen ${HOST}:${port}; location / { return 200 "hello\\n"; } } }
`,
    );
    return startServer(scope, port, folder, [NGINX, '-e', '/dev/null', '-c', config], 'SIGHUP');
  },
};

export const haproxy: Peer = {
  name: 'haproxy reload',
  missing: () => missing(HAPROXY, 'haproxy'),
  reloads: true,
  behaviours: ['graceful'],
  async start(scope) {
    const folder = temporaryFolder(scope);
    const port = await freePort(HOST);
    const config = join(folder, 'haproxy.cfg');
    writeFileSync(
      config,
      `global
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
    );
    // The new worker gets the sockets from the old one by the socket of `stats`.
    return startServer(scope, port, folder, [HAPROXY, '-Ws', '-f', config], 'SIGUSR2');
  },
};
