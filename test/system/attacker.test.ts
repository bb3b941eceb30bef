import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  lchownSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { linux } from '../../src/linux/kernel.ts';
import { makeFifo } from '../../src/linux/pipes.ts';
import { VaultFile } from '../../src/supervisor/keeper/vault.ts';
import { decodeMemos, encodeMemos } from '../../src/supervisor/state-format/generation-memo.ts';
import { command } from '../support/command.ts';
import { complaints } from '../support/complaints.ts';
import { requireProgram } from '../support/debian.ts';
import { installZero } from '../support/installed.ts';
import { fixture } from '../support/paths.ts';
import { account, asAccount, requireRoot, sharedFolder } from '../support/privileges.ts';
import { identify, isRunning } from '../support/processes.ts';
import type { Puppet } from '../support/puppet.ts';
import { becomeReady, type PuppetSections, startServing, whoAnswers } from '../support/puppet-service.ts';
import { keeperPid, killWithKeeper } from '../support/survivor.ts';
import { parseTarget } from '../support/target.ts';
import { DEADLINE, runZero, startZero, type Zero } from '../support/zero.ts';

/** A user of this machine who runs neither zero nor the service. */
const ATTACKER = 'nobody';
const VICTIM = 'daemon';

const asAttacker = () => asAccount(account(ATTACKER));

/** False if the test cannot act as another user. Then it is skipped with a line. */
function canAttack(t: TestContext): boolean {
  return requireRoot(t, 'acts as another user') && requireProgram(t, 'perl', 'perl-base') !== null;
}

/** A service of a separate user under a zero of root, in a directory that every user may enter. */
async function victim(t: TestContext, sections: PuppetSections = {}) {
  const folder = sharedFolder(t);
  const service = await startServing(
    t,
    { ...sections, runtime: { user: VICTIM, directory: '/', ...sections.runtime } },
    { folder },
  );
  // The first command loads modules, which would disturb the attack.
  await command(t, service.zero, 'status');
  return { ...service, folder, runtime: join(folder, 'run') };
}

type Victim = Awaited<ReturnType<typeof victim>>;

function notifySocket(puppet: Puppet): string {
  const entry = puppet.environment.map(String).find((text) => text.startsWith('NOTIFY_SOCKET='));
  return entry?.slice('NOTIFY_SOCKET='.length) ?? '';
}

/** Asserts that the service runs and can be deployed as before, and that zero has written only these warnings since. */
async function assertUnharmed(t: TestContext, { zero, incumbent }: Victim, warnings: readonly RegExp[]) {
  assert.deepEqual(await whoAnswers(await zero.address('http')), { generation: 1, pid: incumbent.pid });
  const status = await command(t, zero, 'status');
  assert.equal(status.code, 0, status.stderr);
  const found = complaints(zero).map((fact) => ('message' in fact ? fact.message : fact.event));
  assert.equal(found.length, warnings.length, found.join('\n'));
  for (const [index, wanted] of warnings.entries()) assert.match(found[index] ?? '', wanted);
  for (const event of ['worker_exited', 'stop_requested', 'reload_requested', 'keeper_lost'] as const)
    assert.deepEqual(zero.log.all(event), []);
}

describe('an ordinary user of the same machine', () => {
  it('is refused by the kernel, without a line in the log', DEADLINE, async (t) => {
    if (!canAttack(t)) return;
    const output = join(sharedFolder(t), 'output');
    const service = await victim(t, { output: { directory: output } });
    const { zero, incumbent, folder, runtime } = service;
    const keeper = await keeperPid(zero);
    const processes = [zero.pid, keeper, incumbent.pid];
    const known = processes.map(identify);
    const target = parseTarget(await zero.address('http'));
    assert.ok('port' in target);
    const script = join(folder, 'attacker.pl');
    copyFileSync(fixture('attacker.pl'), script);
    const places = [runtime, join(folder, 'data'), output, notifySocket(incumbent)];
    const { stdout, stderr, code } = await runZero(t, {
      command: [...asAttacker(), 'perl', script, ...places, String(target.port), ...processes.map(String)],
      directory: '/',
    });
    assert.deepEqual([code, stderr], [0, '']);
    const outcomes = stdout
      .trim()
      .split('\n')
      .map((line) => line.split('\t'));
    assert.ok(outcomes.length > 80, stdout);
    const wrong = outcomes.filter(([, outcome]) => !['EPERM', 'EACCES', 'EADDRINUSE'].includes(`${outcome}`));
    assert.deepEqual(wrong, []);
    for (const one of known) assert.ok(one !== null && isRunning(one));
    await assertUnharmed(t, service, []);
  });

  it(
    'reaches the control socket through its mode: one log line for any number of attempts',
    DEADLINE,
    async (t) => {
      if (!canAttack(t)) return;
      const service = await victim(t, { application: { control: { mode: '0666' } } });
      const { runtime, folder, zero } = service;
      const script = join(folder, 'ask.js');
      writeFileSync(
        script,
        `const { request } = require('node:http');
      const ask = (path, method) => new Promise((resolve, reject) => {
        const asked = request({ socketPath: process.argv[2], path, method }, (answer) => {
          answer.resume().on('end', () => resolve(answer.statusCode));
        });
        asked.on('error', reject).end(method === 'POST' ? '{}' : '');
      });
      (async () => {
        const codes = new Set();
        for (let round = 0; round < 10; round += 1)
          for (const path of ['stop', 'reload', 'upgrade', 'signal', 'scale', 'promote', 'abort', 'rollback'])
            codes.add(await ask('/v1/' + path, 'POST'));
        for (const path of ['status', 'logs', 'events', 'history']) codes.add(await ask('/v1/' + path, 'GET'));
        console.log([...codes].join());
      })();`,
      );
      const { stdout, stderr } = await runZero(t, {
        command: [...asAttacker(), process.execPath, script, join(runtime, 'control.sock')],
        directory: '/',
      });
      assert.deepEqual([stdout.trim(), stderr], ['403', '']);
      const { uid } = account(ATTACKER);
      await zero.fact('warning', { about: 'control' });
      await assertUnharmed(t, service, [
        new RegExp(`^control socket .*control\\.sock: uid ${uid} tried to connect and was refused$`),
      ]);
    },
  );

  it(
    'reaches a notify socket that the service has opened to everybody: one log line',
    DEADLINE,
    async (t) => {
      if (!canAttack(t)) return;
      const service = await victim(t);
      const { incumbent, folder, zero } = service;
      const path = notifySocket(incumbent);
      // The socket belongs to the service.
      chmodSync(path, 0o666);
      const script = join(folder, 'notify.pl');
      writeFileSync(
        script,
        `use strict; use Socket;
      socket(my $to, PF_UNIX, SOCK_DGRAM, 0) or die $!;
      for my $message ("READY=1", "MAINPID=1", "MAINPID=$$", "X_ZERO_DRAINS=1", "WATCHDOG=1", "\\xff" x 5000, "") {
        send($to, $message, 0, sockaddr_un($ARGV[0])) // die "send: $!" for 1 .. 5;
      }`,
      );
      const { code, stderr } = await runZero(t, {
        command: [...asAttacker(), 'perl', script, path],
        directory: '/',
      });
      assert.deepEqual([code, stderr], [0, '']);
      await zero.fact('warning', { about: 'notify' });
      await assertUnharmed(t, service, [
        new RegExp(`^notify socket .*: refused a message from uid ${account(ATTACKER).uid} \\(pid \\d+\\)`),
      ]);
      assert.deepEqual(zero.log.all('worker_pid_changed'), []);
    },
  );

  it('can read the admin endpoint, and every other access is one log line', DEADLINE, async (t) => {
    if (!canAttack(t)) return;
    const service = await victim(t, { application: { admin: { address: '127.0.0.1:0' } } });
    const { address } = await service.zero.fact('admin_listening');
    const target = parseTarget(address);
    const ask = (method: string, path: string, headers = {}): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const asked = request({ ...target, method, path, headers, agent: false }, (answer) =>
          answer.resume().on('end', () => resolve(answer.statusCode)),
        );
        asked.on('error', reject).end();
      });
    for (let round = 0; round < 10; round += 1) {
      assert.equal(await ask('POST', '/v1/stop'), 405);
      assert.equal(await ask('GET', '/status', { Host: 'attacker.example' }), 403);
    }
    assert.equal(await ask('GET', '/status'), 200);
    await service.zero.fact('warning', ({ message }) => message.includes('another host'));
    await assertUnharmed(t, service, [
      /^admin endpoint: refused a request with the method POST, from 127\.0\.0\.1$/,
      /^admin endpoint: refused a request with the name of another host or from a page of another origin, from 127\.0\.0\.1$/,
    ]);
  });
});

describe('a member of the control group', () => {
  it('cannot make zero execute a program of its own: one log line', DEADLINE, async (t) => {
    if (!canAttack(t)) return;
    const { gid, uid } = account(ATTACKER);
    const service = await victim(t, { application: { control: { group: String(gid) } } });
    const { folder, zero } = service;
    const traces = join(folder, 'executed');
    const evil = join(folder, 'evil.js');
    writeFileSync(evil, `#!/bin/sh\ntouch ${traces}\n`);
    chmodSync(evil, 0o755);
    const ask = (...args: readonly string[]) =>
      runZero(t, {
        command: [...asAttacker(), ...installZero(t).command],
        args: [...args, '--config', `${zero.config}`],
        directory: '/',
      });
    const status = await ask('status');
    assert.equal(status.code, 0, status.stderr);
    for (let round = 0; round < 3; round += 1) {
      const { code, stderr } = await ask('upgrade', evil);
      assert.equal(code, 1);
      assert.match(stderr, /may not specify the program of an upgrade/);
    }
    assert.equal(existsSync(traces), false);
    await zero.fact('warning', { about: 'control' });
    await assertUnharmed(t, service, [
      new RegExp(
        `^control socket .*: uid ${uid} tried to specify the program of an upgrade and was refused$`,
      ),
    ]);
  });
});

describe('an ordinary user who creates files before zero starts', () => {
  /** Files that the attacker creates in place of zero's runtime directory, in a directory like /tmp. */
  const plants: readonly [string, (place: string) => void, RegExp][] = [
    ['its own directory', (place) => mine(place, 0o755), /belongs to uid \d+, not to root or uid \d+/],
    ['a directory for everybody', (place) => mine(place, 0o777), /belongs to uid \d+/],
    [
      'a directory with a state, a FIFO and a lock',
      (place) => {
        mine(place, 0o777);
        mine(join(place, 'app'), 0o777);
        for (const name of ['state.json', 'lock', 'keeper.fifo', 'control.sock'])
          writeFileSync(join(place, 'app', name), '{}');
      },
      /belongs to uid \d+/,
    ],
    [
      'a symbolic link to a directory of the victim',
      (place) => {
        const { uid, gid } = account(VICTIM);
        mkdirSync(`${place}-real`);
        chownSync(`${place}-real`, uid, gid);
        symlinkSync(`${place}-real`, place);
        lchownSync(place, account(ATTACKER).uid, account(ATTACKER).gid);
      },
      /is a symbolic link that belongs to uid \d+/,
    ],
  ];

  function mine(place: string, mode: number): void {
    mkdirSync(place);
    chmodSync(place, mode);
    chownSync(place, account(ATTACKER).uid, account(ATTACKER).gid);
  }

  for (const [name, plant, reason] of plants) {
    it(`has planted ${name}: no zero starts there, with one log line`, DEADLINE, async (t) => {
      if (!canAttack(t)) return;
      const tmp = sharedFolder(t);
      chmodSync(tmp, 0o1777);
      const place = join(tmp, 'zero-0');
      plant(place);
      const before = readdirSync(tmp).sort();
      const { code, stderr, stdout } = await runZero(t, {
        config: {
          application: { runtime_directory: join(place, 'app') },
          service: { runtime: { path: '/bin/true' } },
        },
      });
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, reason);
      assert.equal(stderr.trim().split('\n').length, 1, stderr);
      assert.deepEqual(readdirSync(tmp).sort(), before);
    });
  }

  it('cannot imitate the keeper or a worker when zero is restarted', DEADLINE, async (t) => {
    if (!canAttack(t)) return;
    const folder = sharedFolder(t);
    const service = await startServing(t, {}, { folder });
    const { zero, incumbent, puppets } = service;
    const keeper = await keeperPid(zero);
    const traces = join(folder, 'executed');
    const vault = forgedVault(folder, keeper, traces);
    await killWithKeeper(zero);
    const planted = await plantKeeper(t, folder, vault);
    if (planted === null) return t.skip('set-user-ID programs have no effect here (mount option nosuid)');
    const worker = startZero(t, {
      command: ['setsid', ...asAttacker(), 'sh', '-c', `${WATCHING}; exec sleep 1000`],
      environment: { NOTIFY_SOCKET: join(folder, 'run', 'notify', '2.0.1') },
      directory: '/',
    });
    await worker.fact('watching');
    const next = startZero(t, { folder, args: ['--config', `${zero.config}`] });
    const { socketsFrom: from, adopted } = await next.fact('supervisor_recovered');
    assert.deepEqual([from, adopted], [['workers'], 1]);
    const [ignored, ...more] = next.log.all('warning', { about: 'recovery' });
    assert.deepEqual(more, []);
    assert.match(
      ignored?.message ?? '',
      new RegExp(`^ignored processes that look like .*: ${planted} ${worker.pid}$`),
    );
    // After a crash zero executes the file that the vault of the keeper specifies.
    process.kill(incumbent.pid, 'SIGKILL');
    const again = await puppets.next();
    await again.listen({ name: 'http' });
    await becomeReady(again);
    assert.deepEqual(await whoAnswers(await next.address('http')), { generation: 1, pid: again.pid });
    assert.equal(existsSync(traces), false);
    // Neither counted as a process of the instance, so neither was ended.
    for (const pid of [planted, worker.pid]) assert.notEqual(identify(pid), null);
  });
});

const WATCHING = `echo '{"event":"watching","paths":[]}'`;

/**
 * A forged vault of a keeper, in which each generation executes a program of the attacker. Returns the path of the
 * file.
 */
function forgedVault(folder: string, keeper: number, traces: string): string {
  const evil = join(folder, 'evil');
  writeFileSync(evil, `#!/bin/sh\nid > ${traces}\n`);
  chmodSync(evil, 0o755);
  const file = join(folder, 'vault');
  writeFileSync(file, readFileSync(`/proc/${keeper}/fd/10`));
  const forged = VaultFile.resume(openSync(file, 'r+'), linux);
  const { state, generations } = forged.read();
  assert.ok(state && generations);
  const document = JSON.parse(state.text);
  forged.writeState(JSON.stringify({ ...document, sequence: document.sequence + 1e6 }), state.sequence + 1e6);
  const memos = decodeMemos(generations);
  assert.ok(!('problem' in memos));
  forged.writeGenerations(
    encodeMemos({
      ...memos,
      generations: memos.generations.map((memo) => ({
        ...memo,
        release: { ...memo.release, executable: evil },
      })),
    }),
  );
  forged.close();
  chmodSync(file, 0o644);
  return file;
}

/** A process of the attacker with the arguments and the effective user of a keeper; null if that is not possible. */
async function plantKeeper(t: TestContext, folder: string, vault: string): Promise<number | null> {
  const program = join(folder, 'head');
  copyFileSync('/usr/bin/head', program);
  chmodSync(program, 0o4755);
  const script = join(folder, 'planted-keeper.pl');
  copyFileSync(fixture('planted-keeper.pl'), script);
  const own = join(folder, 'attacker');
  mkdirSync(own);
  const fifo = join(own, 'zero-keeper');
  makeFifo(fifo, 0o666);
  const planted: Zero = startZero(t, {
    command: [...asAttacker(), 'perl', script, program, own, join(folder, 'run'), vault],
    directory: '/',
  });
  // The open returns when the program reads from the FIFO. The program waits while this end is open (fifo(7)).
  const held = await open(fifo, 'w');
  t.after(() => held.close());
  const status = readFileSync(`/proc/${planted.pid}/status`, 'latin1');
  return /^Uid:\t\d+\t0\t/m.test(status) ? planted.pid : null;
}
