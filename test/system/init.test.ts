import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { createDatagramSocket, receiveDatagram } from '../../src/linux/datagrams.ts';
import { reactor } from '../../src/linux/reactor.ts';
import { closeFd } from '../../src/linux/sockets.ts';
import { requireProgram } from '../support/debian.ts';
import { freeAddress } from '../support/free-address.ts';
import { ROOT, ZERO_COMMAND } from '../support/paths.ts';
import { nextReady, startPuppetService, whoAnswers } from '../support/puppet-service.ts';
import { type Scope, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero } from '../support/zero.ts';

/** A program without any change for zero, which opens a port. */
const SERVICE = `import { createServer } from 'node:http';
const server = createServer((_, response) => response.end(JSON.stringify({ generation: 1, pid: process.pid })));
const [host, port] = process.argv[2].split(':');
server.listen(port, host);
`;

/** Runs `zero init` in a directory with a service. Returns its standard output. */
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

/**
 * The output of systemd-analyze for a unit. Everything goes to standard error, including warnings, after which it exits
 * with 0. It also reads the units of installed packages, whose messages are omitted.
 */
function verify(analyze: string, manager: string, unit: string): string {
  const command = ['-c', 'exec "$0" "$1" verify --man=no "$2" 2>&1', analyze, manager, unit];
  const environment = { ...process.env, XDG_RUNTIME_DIR: dirname(unit) };
  const text = execFileSync('sh', command, { encoding: 'utf8', env: environment });
  return text.replaceAll(/^(?:\/usr)?\/lib\/systemd\/.*\n/gm, '');
}

/** The lines of the section [Service]. */
function settingsOf(unit: string): string[] {
  const [, section = ''] = unit.split(/^\[(?:Service|Install)\]$/m);
  return section.split('\n').filter((line) => /^\w+=/.test(line));
}

const EXTEND = 'EXTEND_TIMEOUT_USEC=30000000';

function monotonicMicroseconds(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

/** Every message so far, except those that store a descriptor. */
function received(fd: number): string[] {
  const messages: string[] = [];
  for (let next = receiveDatagram(fd); next !== null; next = receiveDatagram(fd)) {
    for (const stored of next.fds) closeFd(stored);
    messages.push(next.data.toString());
  }
  const isStore = (text: string) => /^FDSTORE(REMOVE)?=1\n/.test(text);
  for (const text of messages.filter(isStore)) assert.match(text, /\nFDNAME=zero-/);
  return messages.filter((text) => !isStore(text));
}

/** Waits for at least one message. */
async function nextMessages(fd: number): Promise<string[]> {
  await new Promise<void>((resolve) => {
    const watch = reactor.watch(fd, () => {
      watch.close();
      resolve();
    });
  });
  return received(fd);
}

/** Waits for that many messages in total. zero writes a fact to its log before it sends the message about it. */
async function messages(fd: number, count: number): Promise<string[]> {
  const all = received(fd);
  while (all.length < count) all.push(...(await nextMessages(fd)));
  return all;
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
    assert.match(said, /^Wrote zero\.yaml\./);
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

  it('--systemd prints a unit that systemd accepts', DEADLINE, (t) => {
    const analyze = requireProgram(t, 'systemd-analyze', 'systemd');
    if (analyze === null) return;
    const folder = temporaryFolder(t);
    const unit = join(folder, 'api.service');
    writeFileSync(unit, init(folder, '--systemd', '--', 'node', 'api.mjs'));
    assert.equal(verify(analyze, '--system', unit), '');
  });
});

describe('the service manager that started zero', () => {
  it(
    'receives the start, each step of a reload and the stop, and no message of the service',
    DEADLINE,
    async (t) => {
      const { path, fd } = notifySocket(t);
      const { zero, puppets } = await startPuppetService(t, {}, { environment: { NOTIFY_SOCKET: path } });
      const waiting = await puppets.next();
      assert.deepEqual(await messages(fd, 1), [`${EXTEND}\nSTATUS=handover 1: starting`]);
      await waiting.listen({ name: 'http' });
      await waiting.write(10, 'ready\n');
      await zero.fact('handover_finished', { outcome: 'promoted' });
      assert.deepEqual(await messages(fd, 1), ['READY=1\nSTATUS=generation 1 serves']);
      await waiting.notify('STATUS=of the service');
      const sentAt = monotonicMicroseconds();
      zero.signal('SIGHUP');
      await nextReady(puppets);
      await zero.fact('generation_gone', { generation: 1 });
      const [begun = '', ...steps] = await messages(fd, 3);
      const [, startedAt] =
        /^RELOADING=1\nMONOTONIC_USEC=(\d+)\nEXTEND_TIMEOUT_USEC=30000000\nSTATUS=generation 1 serves; handover 2: resolving$/.exec(
          begun,
        ) ?? [];
      // systemd accepts only a time after its own signal as the answer to it (systemd.service(5), notify-reload).
      assert.ok(Number(startedAt) >= sentAt && Number(startedAt) <= monotonicMicroseconds(), begun);
      assert.deepEqual(steps, [
        'STATUS=generation 1 serves; handover 2: starting',
        'READY=1\nSTATUS=generation 2 serves',
      ]);
      zero.signal('SIGTERM');
      await zero.exited;
      assert.deepEqual(received(fd), ['STOPPING=1\nSTATUS=stopping']);
    },
  );

  it('gets READY=1 again when a reload is rolled back', DEADLINE, async (t) => {
    const { path, fd } = notifySocket(t);
    const { zero, puppets } = await startPuppetService(t, {}, { environment: { NOTIFY_SOCKET: path } });
    await nextReady(puppets);
    await zero.fact('handover_finished', { outcome: 'promoted' });
    assert.equal((await messages(fd, 2)).at(-1), 'READY=1\nSTATUS=generation 1 serves');
    zero.signal('SIGHUP');
    const candidate = await puppets.next();
    await candidate.exit(1);
    await zero.fact('handover_finished', { handover: 2 });
    assert.deepEqual((await messages(fd, 3)).slice(1), [
      'STATUS=generation 1 serves; handover 2: starting',
      'READY=1\nSTATUS=generation 1 serves; handover 2: rolled back',
    ]);
  });

  it('gets WATCHDOG=1 while zero runs', DEADLINE, async (t) => {
    const { path, fd } = notifySocket(t);
    const environment = { NOTIFY_SOCKET: path, WATCHDOG_USEC: '200000' };
    const { zero, puppets } = await startPuppetService(t, {}, { environment });
    await nextReady(puppets);
    await zero.fact('handover_finished', { outcome: 'promoted' });
    for (let seen = 0; seen < 3; ) {
      seen += (await nextMessages(fd)).filter((message) => message === 'WATCHDOG=1').length;
    }
  });
});

describe('the units of examples/systemd', () => {
  const UNITS = [
    ['zero@.service', '--system'],
    ['user/zero@.service', '--user'],
  ] as const;
  for (const [name, manager] of UNITS) {
    const source = readFileSync(join(ROOT, 'examples', 'systemd', name), 'utf8');

    it(`${name} is accepted by systemd`, DEADLINE, (t) => {
      const analyze = requireProgram(t, 'systemd-analyze', 'systemd');
      if (analyze === null) return;
      const folder = temporaryFolder(t);
      // systemd-analyze requires an existing executable, and zero is not installed here.
      const unit = source.replaceAll('/usr/local/bin/zero', process.execPath);
      writeFileSync(join(folder, 'zero@.service'), unit);
      assert.equal(verify(analyze, manager, join(folder, 'zero@web.service')), '');
    });

    it(`${name} has the settings of the unit that zero init prints`, (t) => {
      const printed = settingsOf(init(temporaryFolder(t), '--systemd', '--', 'node', 'api.mjs'));
      const settings = settingsOf(source);
      for (const setting of settings) {
        const isOwn = /^(Exec|Timeout|RuntimeDirectory=|StateDirectory=)/.test(setting);
        if (!isOwn) assert.ok(printed.includes(setting), setting);
      }
      for (const needed of ['Type=notify', 'KillMode=process', 'Restart=on-failure', 'OOMPolicy=continue'])
        assert.ok(settings.includes(needed), needed);
    });
  }
});
