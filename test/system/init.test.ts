import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createDatagramSocket, receiveDatagram } from '../../src/linux/datagrams.ts';
import { closeFd } from '../../src/linux/sockets.ts';
import { requireProgram } from '../support/debian.ts';
import { freeAddress } from '../support/free-address.ts';
import { ZERO_COMMAND } from '../support/paths.ts';
import { nextReady, startPuppetService, whoAnswers } from '../support/puppet-service.ts';
import { type Scope, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero } from '../support/zero.ts';

/** Never changed for zero: it opens a port. */
const SERVICE = `import { createServer } from 'node:http';
const server = createServer((_, response) => response.end(JSON.stringify({ generation: 1, pid: process.pid })));
const [host, port] = process.argv[2].split(':');
server.listen(port, host);
`;

/** Runs `zero init` in a folder that has a service; its standard output. */
function init(folder: string, ...args: string[]): string {
  writeFileSync(join(folder, 'api.mjs'), SERVICE);
  const [program, ...first] = ZERO_COMMAND;
  return execFileSync(program, [...first, 'init', ...args], {
    cwd: folder,
    env: { ...process.env, ZERO_CONFIG: '' },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

/** Every message so far. */
function received(fd: number): string[] {
  const message = receiveDatagram(fd);
  return message === null ? [] : [message.data.toString(), ...received(fd)];
}

function notifySocket(scope: Scope): { path: string; fd: number } {
  const path = join(temporaryFolder(scope), 'notify');
  const fd = createDatagramSocket(path);
  scope.after(() => closeFd(fd));
  return { path, fd };
}

describe('zero init', () => {
  it('writes a config that runs the command', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const address = await freeAddress();
    const said = init(folder, '--listen', address, '--', 'node', 'api.mjs', address);
    assert.match(said, /^zero\.yaml is written/);
    const directories = `application: { runtime_directory: ${folder}/run, data_directory: ${folder}/data }\n`;
    writeFileSync(join(folder, 'own.yaml'), directories + readFileSync(join(folder, 'zero.yaml'), 'utf8'));
    const zero = startZero(t, { folder, args: ['--config', 'own.yaml'] });
    assert.equal((await zero.fact('supervisor_started')).name, 'api');
    await zero.fact('handover_finished', { outcome: 'promoted' });
    assert.equal(await zero.address('http'), address);
    assert.equal((await whoAnswers(address)).generation, 1);
    zero.signal('SIGTERM');
    assert.deepEqual(await zero.exited, { code: 0, signal: null });
  });

  it('--systemd prints a unit that systemd finds nothing wrong with', DEADLINE, (t) => {
    const analyze = requireProgram(t, 'systemd-analyze', 'systemd');
    if (analyze === null) return;
    const folder = temporaryFolder(t);
    const unit = join(folder, 'api.service');
    writeFileSync(unit, init(folder, '--systemd', '--', 'node', 'api.mjs'));
    // Everything that it says goes to standard error, a warning included, for which it exits with 0.
    const said = execFileSync('sh', ['-c', 'exec "$0" verify --man=no "$1" 2>&1', analyze, unit], {
      encoding: 'utf8',
    });
    assert.equal(said, '');
  });
});

describe('the service manager that started zero', () => {
  it(
    'is told when the first generation serves, and when zero stops; the service is not',
    DEADLINE,
    async (t) => {
      const { path, fd } = notifySocket(t);
      const { zero, puppets } = await startPuppetService(t, {}, { environment: { NOTIFY_SOCKET: path } });
      const waiting = await puppets.next();
      assert.deepEqual(received(fd), []);
      await waiting.listen({ name: 'http' });
      await waiting.write(10, 'ready\n');
      await zero.fact('handover_finished', { outcome: 'promoted' });
      assert.deepEqual(received(fd), ['READY=1\nSTATUS=generation 1 serves']);
      await waiting.notify('STATUS=of the service');
      zero.signal('SIGHUP');
      await nextReady(puppets);
      await zero.fact('generation_gone', { generation: 1 });
      assert.deepEqual(received(fd), ['READY=1\nSTATUS=generation 2 serves']);
      zero.signal('SIGTERM');
      await zero.exited;
      assert.deepEqual(received(fd), ['STOPPING=1\nSTATUS=stopping']);
    },
  );
});
