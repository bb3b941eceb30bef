import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { command, startCommand } from '../support/command.ts';
import { startDeployed, startKept, startTwice, variable } from '../support/deployed.ts';
import { account, requireRoot } from '../support/privileges.ts';
import { assertUntouched, nextReady } from '../support/puppet-service.ts';
import { reversed, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE } from '../support/zero.ts';

describe('zero rollback', () => {
  it('runs the previous bytes, with their arguments and the current environment', DEADLINE, async (test) => {
    const t = reversed(test);
    const service = await startKept(t);
    const { zero, puppets } = service;
    service.deploy('2');
    service.configure({ runtime: { args: ['two'] }, environment: { TODAY: 'yes' } });
    zero.signal('SIGHUP');
    const second = await nextReady(puppets);
    await zero.fact('executable_kept', { generation: 2 });
    const rolling = startCommand(t, zero, ['rollback']);
    const third = await nextReady(puppets);
    const { code, stdout, stderr } = await rolling.finished;
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^handover 3 promoted after .*: generation 3 serves\n$/);
    assert.deepEqual(
      [second, third].map((puppet) => [variable(puppet, 'VERSION'), puppet.argv.at(-1)]),
      [
        ['2', 'two'],
        ['1', 'one'],
      ],
    );
    assert.deepEqual([variable(third, 'TODAY'), variable(third, 'ZERO_GENERATION')], ['yes', '3']);
    await zero.fact('rollback_found', { generation: 1, from: 'copy' });
    // A second rollback returns to the release before the first one.
    const again = startCommand(t, zero, ['rollback']);
    assert.equal(variable(await nextReady(puppets), 'VERSION'), '2');
    assert.equal((await again.finished).code, 0);
    await zero.fact('rollback_found', { generation: 2, from: 'file' });
  });

  it('finds the releases of earlier supervisors, and continues their numbers', DEADLINE, async (test) => {
    const t = reversed(test);
    const { zero, folder } = await startTwice(t);
    zero.signal('SIGTERM');
    await zero.exited;
    const later = await startDeployed(t, {}, folder);
    const puppet = await nextReady(later.puppets);
    assert.deepEqual(
      ['ZERO_GENERATION', 'SERVER_STARTER_GENERATION'].map((name) => variable(puppet, name)),
      ['3', '3'],
    );
    // This start wrote the first version again, so the kept copy of the second one is another file.
    const rolling = startCommand(t, later.zero, ['rollback', '--to', '2', '--json']);
    const back = await nextReady(later.puppets);
    const { code, stdout } = await rolling.finished;
    assert.deepEqual([code, JSON.parse(stdout).generation, variable(back, 'VERSION')], [0, 4, '2']);
    const generations = await later.history();
    assert.deepEqual(
      generations.map(({ generation, rollback_to, outcome, serving }) => [
        generation,
        rollback_to,
        outcome,
        serving,
      ]),
      [
        [1, null, 'promoted', false],
        [2, null, 'promoted', false],
        [3, null, 'promoted', false],
        [4, 2, 'promoted', true],
      ],
    );
  });

  it('is a handover like any other: a release that fails is rolled back', DEADLINE, async (test) => {
    const t = reversed(test);
    const { zero, puppets, second } = await startTwice(t);
    const rolling = startCommand(t, zero, ['rollback']);
    await (await puppets.next()).exit(3);
    const { code, stderr } = await rolling.finished;
    assert.equal(code, 10);
    assert.match(stderr, /generation 2 keeps serving/);
    assert.equal(second.cursor, 0);
    const { stdout } = await command(t, zero, 'history');
    assert.match(stdout, /^ {2}3 .* rolled back .* no$/m);
    assert.match(stdout, /release of generation 1\n {7}exit: exited with code 3$/m);
    for (const line of stdout.split('\n')) assert.ok(line.length <= 80, line);
  });

  it('can run a service as another user from the copy', DEADLINE, async (test) => {
    const t = reversed(test);
    if (!requireRoot(test, 'only root can change the user')) return;
    const folder = temporaryFolder(t);
    chmodSync(folder, 0o711);
    const service = await startDeployed(t, { runtime: { user: 'nobody' } }, folder);
    await nextReady(service.puppets);
    await service.zero.fact('executable_kept', { generation: 1 });
    service.deploy('2');
    service.zero.signal('SIGHUP');
    await nextReady(service.puppets);
    await service.zero.fact('handover_finished', { handover: 2 });
    const rolling = startCommand(t, service.zero, ['rollback']);
    const back = await nextReady(service.puppets);
    assert.equal((await rolling.finished).code, 0);
    assert.deepEqual([variable(back, 'VERSION'), back.announcement.uid], ['1', account('nobody').uid]);
  });
});

describe('zero rollback is refused with the reason, and changes nothing:', () => {
  it('unknown generation, no other release, wrong arguments', DEADLINE, async (test) => {
    const t = reversed(test);
    const service = await startKept(t);
    const refused: [args: string[], code: number, message: RegExp][] = [
      [[], 1, /step {4}rollback\n {2}reason {2}there is nothing to roll back to: every generation/],
      [['--to', '9'], 1, /unknown generation 9: the history has 1 to 1/],
      [['--to', '0'], 2, /--to 0: must be the number of a generation/],
      [['--to', 'last'], 2, /--to last: must be the number/],
      [['--timeout', 'soon'], 2, /--timeout/],
    ];
    for (const [args, code, message] of refused) {
      const result = await command(t, service.zero, 'rollback', ...args);
      assert.equal(result.code, code, result.stderr);
      assert.match(result.stderr, message);
    }
    await assertUntouched({ ...service, rewrite() {}, reload: () => 0 }, service.first);
  });

  it('a changed copy', DEADLINE, async (test) => {
    const t = reversed(test);
    const service = await startTwice(t);
    const kept = join(service.folder, 'data', 'executables');
    const [entry] = (await service.history()).filter(({ generation }) => generation === 1);
    const copy = join(kept, String(entry?.release?.sha256), 'server');
    const bytes = readFileSync(copy);
    bytes[bytes.length - 2] = 0x21;
    writeFileSync(copy, bytes);
    const { code, stderr } = await command(t, service.zero, 'rollback');
    assert.equal(code, 1);
    assert.match(stderr, /generation 1 cannot be run again: its copy .* has been changed: the hash differs/);
    await assertUntouched({ ...service, rewrite() {}, reload: () => 0 }, service.second);
  });

  it('a handover in progress, unless the target is given', DEADLINE, async (test) => {
    const t = reversed(test);
    const { zero, puppets } = await startTwice(t);
    const reloading = startCommand(t, zero, ['reload']);
    const candidate = await puppets.next();
    const { code, stderr } = await command(t, zero, 'rollback');
    assert.equal(code, 1);
    assert.match(
      stderr,
      /handover 3 is in progress \(step \w+\)\. "zero abort" returns to generation 2 at once/,
    );
    const named = startCommand(t, zero, ['rollback', '--to', '1']);
    await zero.fact('reload_requested', { by: 'zero rollback', merged: true });
    await candidate.exit(1);
    assert.equal((await reloading.finished).code, 10);
    assert.equal(variable(await nextReady(puppets), 'VERSION'), '1');
    assert.equal((await named.finished).code, 0);
  });

  it('a removed directory', DEADLINE, async (test) => {
    const t = reversed(test);
    const folder = temporaryFolder(t);
    const release = (name: string) => join(folder, name);
    for (const name of ['41', '42']) mkdirSync(release(name));
    const service = await startDeployed(t, { runtime: { directory: release('41') } }, folder);
    await nextReady(service.puppets);
    service.configure({ runtime: { directory: release('42') } });
    service.zero.signal('SIGHUP');
    const second = await nextReady(service.puppets);
    await service.zero.fact('handover_finished', { handover: 2 });
    rmSync(release('41'), { recursive: true });
    const { code, stderr } = await command(t, service.zero, 'rollback');
    assert.equal(code, 1);
    assert.match(stderr, /generation 1 cannot be run again: its directory .*41 does not exist any more/);
    assert.equal(second.cursor, 0);
    const { stdout } = await command(t, service.zero, 'history');
    assert.match(stdout, /no rollback: its directory/);
  });
});

describe('the history', () => {
  it('that is torn in half is used as far as possible, and reported once', DEADLINE, async (test) => {
    const t = reversed(test);
    const { zero, folder } = await startTwice(t);
    zero.signal('SIGTERM');
    await zero.exited;
    const file = join(folder, 'data', 'history.jsonl');
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.subarray(Math.floor(bytes.length / 2)));
    appendFileSync(file, '{"at":"2026-11-24T12:00:00.000Z","event":"serves","gener');
    const later = await startDeployed(t, {}, folder);
    await nextReady(later.puppets);
    await later.zero.fact('executable_kept', { generation: 3 });
    for (let times = 0; times < 2; times++) {
      const generations = await later.history();
      assert.deepEqual([generations.at(-1)?.generation, generations.at(-1)?.serving], [3, true]);
    }
    const warnings = later.zero.log.all('warning', { about: 'history' });
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]?.message ?? '', /history\.jsonl: damaged lines are ignored: 2/);
  });

  it('that cannot be written causes a warning, and the service keeps running', DEADLINE, async (test) => {
    const t = reversed(test);
    const folder = temporaryFolder(t);
    writeFileSync(join(folder, 'data'), '');
    const service = await startDeployed(t, {}, folder);
    await nextReady(service.puppets);
    await service.zero.fact('warning', { about: 'history' });
    service.deploy('2');
    service.configure({ runtime: { args: ['two'] } });
    service.zero.signal('SIGHUP');
    const second = await nextReady(service.puppets);
    await service.zero.fact('handover_finished', { handover: 2, outcome: 'promoted' });
    // A release without a copy is still in the history.
    const generations = await service.history();
    assert.deepEqual(
      generations.map(({ generation, outcome, rollback }) => [generation, outcome, rollback.from]),
      [
        [1, 'promoted', null],
        [2, 'promoted', 'file'],
      ],
    );
    assert.match(
      generations[0]?.rollback.reason ?? '',
      /was replaced, and there is no copy: .*(ENOTDIR|EEXIST)/,
    );
    assert.equal(second.cursor, 0);
  });

  it('contains no value of a variable, and other users cannot read it', DEADLINE, async (test) => {
    const t = reversed(test);
    const service = await startDeployed(t, { environment: { TOKEN: 'hush-4712' } });
    await nextReady(service.puppets);
    await service.zero.fact('executable_kept', { generation: 1 });
    const text = readFileSync(join(service.folder, 'data', 'history.jsonl'), 'utf8');
    assert.ok(text.includes('"TOKEN"') && !text.includes('hush-4712'));
    assert.deepEqual(readdirSync(join(service.folder, 'data')).sort(), ['executables', 'history.jsonl']);
  });
});
