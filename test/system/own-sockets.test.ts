// Servers that open their own socket: zero's report, and the entry of each in docs/compatibility.md.
import assert from 'node:assert/strict';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { requireProgram } from '../support/debian.ts';
import { freeAddress } from '../support/free-address.ts';
import { ROOT } from '../support/paths.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero, type Zero } from '../support/zero.ts';

interface OwnSocketServer {
  /** The name in the table of docs/compatibility.md. */
  readonly title: string;
  readonly program: string;
  readonly debian: string;
  /** It sets SO_REUSEPORT, so it can listen on the address of zero's listener. */
  readonly sharesAddress?: boolean;
  /** Its arguments. Writes its files to the directory. */
  readonly args: (address: string, folder: string) => readonly string[];
}

const MODULES = '/usr/lib/apache2/modules';

const SERVERS: readonly OwnSocketServer[] = [
  {
    title: 'Apache httpd 2.4',
    program: 'apache2',
    debian: 'apache2-bin',
    args: (address, folder) => {
      const file = join(folder, 'httpd.conf');
      const modules = ['mpm_event', 'authz_core'].map(
        (name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`,
      );
      const paths = [`ServerRoot ${folder}`, `PidFile ${folder}/pid`, `DefaultRuntimeDir ${folder}`];
      const lines = [...paths, ...modules, `Listen ${address}`, 'ServerName localhost', 'User nobody'];
      writeFileSync(file, [...lines, 'Group nogroup', 'ErrorLog /dev/stderr', ''].join('\n'));
      return ['-DFOREGROUND', '-f', file];
    },
  },
  {
    title: 'thin',
    program: 'thin',
    debian: 'thin',
    args: (address, folder) => {
      writeFileSync(join(folder, 'config.ru'), "run proc { [200, {}, ['hello']] }\n");
      const [host = '', port = ''] = address.split(':');
      return ['--address', host, '--port', port, '--rackup', join(folder, 'config.ru'), 'start'];
    },
  },
  {
    title: 'redis',
    program: 'redis-server',
    debian: 'redis-server',
    args: (address, folder) => {
      const [host = '', port = ''] = address.split(':');
      return ['--bind', host, '--port', port, '--dir', folder];
    },
  },
  {
    title: 'memcached',
    program: 'memcached',
    debian: 'memcached',
    args: (address) => ['-u', 'nobody', '-l', address],
  },
  {
    title: 'dnsmasq',
    program: 'dnsmasq',
    debian: 'dnsmasq-base',
    args: (address, folder) => {
      const [host = '', port = ''] = address.split(':');
      const files = ['--conf-file=/dev/null', '--no-resolv', `--pid-file=${join(folder, 'pid')}`];
      return [
        '--keep-in-foreground',
        ...files,
        '--bind-interfaces',
        '-a',
        host,
        '-p',
        port,
        '--log-facility=-',
      ];
    },
  },
  {
    title: 'caddy before 2.9',
    program: 'caddy',
    debian: 'caddy',
    sharesAddress: true,
    args: (address, folder) => ['file-server', '--root', folder, '--listen', address],
  },
];

/** Starts zero with the server, which listens on `own`, and a listener for `address`; null if the server is missing. */
function start(t: TestContext, server: OwnSocketServer, address: string, own: string): Zero | null {
  const path = requireProgram(t, server.program, server.debian);
  if (path === null) return null;
  const folder = temporaryFolder(t);
  chmodSync(folder, 0o755);
  const environment = [{ key: 'HOME', value: folder }];
  return startZero(t, {
    folder,
    config: {
      service: {
        listeners: [{ name: 'main', address }],
        runtime: { path, args: server.args(own, folder), directory: folder, environment },
        handover: { mode: 'auto' },
      },
    },
  });
}

describe('a server that opens its own socket', () => {
  for (const server of SERVERS) {
    const first = server.sharesAddress
      ? 'is reported where it listens on the address of a listener'
      : 'learns that zero holds its address';
    it(`${server.title} ${first}`, DEADLINE, async (t) => {
      const address = await freeAddress();
      const zero = start(t, server, address, address);
      if (zero === null) return;
      if (server.sharesAddress) {
        const { message } = await zero.fact('warning', { about: 'listener' });
        assert.match(message, /^generation 1: worker 0 listens on .+, not on a descriptor of zero\./);
        return;
      }
      const { outcome, failure } = await zero.fact('handover_finished', { handover: 1 });
      assert.equal(outcome, 'failed');
      const reason = String(failure?.reason);
      // Some servers do not report the address that they could not bind.
      const held = [
        `${address} is the address of listener main, which zero holds.`,
        `zero holds listener main (${address}).`,
      ];
      assert.ok(
        held.some((text) => reason.includes(text)),
        `${reason}\n${zero.log.text}`,
      );
      assert.match(reason, /must accept connections on descriptor 3 instead of listening on the address\./);
    });

    it(`${server.title} is reported if it listens on another address`, DEADLINE, async (t) => {
      const [address, own] = [await freeAddress(), await freeAddress()];
      const zero = start(t, server, address, own);
      if (zero === null) return;
      const { message } = await zero.fact('warning', { about: 'listener' });
      assert.ok(
        message.startsWith(`generation 1: worker 0 listens on ${own}, not on a descriptor of zero.`),
        message,
      );
      assert.deepEqual(zero.log.all('handover_finished'), []);
    });

    it(`${server.title} is in the list of servers that cannot take a descriptor`, () => {
      const text = readFileSync(join(ROOT, 'docs', 'compatibility.md'), 'utf8');
      const [, list = ''] = text.split('## Servers that cannot take a descriptor');
      const row = list.split('\n').find((line) => line.startsWith(`| ${server.title} |`));
      const [, , reason = '', alternative = ''] = row?.split('|').map((cell) => cell.trim()) ?? [];
      assert.ok(reason.length > 10 && alternative.length > 10, row);
    });
  }
});
