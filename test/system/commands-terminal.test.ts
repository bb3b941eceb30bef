import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { command, startCommand } from '../support/command.ts';
import { nextReady, startServing } from '../support/puppet-service.ts';
import type { Screen } from '../support/screen.ts';
import { zeroOnTerminal } from '../support/terminal.ts';
import { DEADLINE } from '../support/zero.ts';

const QUICK = { settle: '200ms', drain_timeout: '1s' };
const PREVIEW = { ...QUICK, preview_from: ['127.77.0.1'] };
const shows = (pattern: RegExp) => (screen: Screen) => pattern.test(screen.window.join('\n'));

describe('zero status on a terminal', () => {
  it(
    'is coloured, except with NO_COLOR or without a terminal, and fits into 80 columns',
    DEADLINE,
    async (t) => {
      const { zero } = await startServing(t, { handover: QUICK });
      const coloured = zeroOnTerminal(t, zero, ['status']);
      assert.equal((await coloured.finished).code, 0);
      assert.match(coloured.screen.text, /generation 1 {2}serving for .*, 0 connections/);
      assert.deepEqual([coloured.screen.coloured, coloured.screen.wrapped], [true, []]);
      const plain = zeroOnTerminal(t, zero, ['status'], { environment: { NO_COLOR: '1' } });
      assert.equal((await plain.finished).code, 0);
      assert.equal(plain.screen.coloured, false);
      let piped = '';
      const pipe = zeroOnTerminal(t, zero, ['status'], {
        pipeOutput: (text) => {
          piped += text;
        },
      });
      assert.equal((await pipe.finished).code, 0);
      assert.match(piped, /generation 1 {2}serving/);
      assert.deepEqual([piped.includes('\u001b'), pipe.raw], [false, '']);
    },
  );
});

describe('zero status --watch', () => {
  it('draws events in place, at any size, until Ctrl-C', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: PREVIEW });
    const { zero, puppets } = service;
    const watching = zeroOnTerminal(t, zero, ['status', '--watch']);
    await watching.until(shows(/generation 1 {2}serving/));
    const reloading = startCommand(t, zero, ['reload', '--preview']);
    await nextReady(puppets);
    await watching.until(shows(/handover 2, started .* ago: preview, .*generation 2 {2}ready/s));
    // With five rows zero reports the omitted lines, and nothing scrolls.
    await watching.resize({ columns: 60, rows: 5 });
    await watching.until(shows(/\n\.\.\. \d+ more lines: "zero status" prints all\n?$/));
    await watching.resize({ columns: 80, rows: 24 });
    await watching.until(shows(/generation 2 {2}ready/));
    assert.equal((await command(t, zero, 'abort')).code, 0);
    assert.equal((await reloading.finished).code, 12);
    await zero.fact('generation_gone', { generation: 2 });
    await watching.until((screen) => !shows(/generation 2/)(screen) && shows(/generation 1/)(screen));
    watching.type('\u0003');
    assert.deepEqual(await watching.finished, { code: 0, signal: null });
    const { window, wrapped, text } = watching.screen;
    // The screen has shown only one status, drawn repeatedly.
    assert.equal(text.match(/generation 1/g)?.length, 1, text);
    assert.deepEqual([wrapped, window.filter((line) => line.startsWith('test '))], [[], [window[0]]]);
  });

  it('reports that zero has stopped, or disappeared without notice', DEADLINE, async (t) => {
    const ends = [
      { signal: 'SIGTERM', code: 0, says: /\nzero has stopped\n/ },
      { signal: 'SIGKILL', code: 1, says: /\nzero status: zero exited unexpectedly\. Check its log\.\n/ },
    ] as const;
    for (const { signal, code, says } of ends) {
      const { zero } = await startServing(t, { handover: QUICK });
      const watching = zeroOnTerminal(t, zero, ['status', '--watch']);
      await watching.until(shows(/generation 1 {2}serving/));
      zero.signal(signal);
      assert.equal((await watching.finished).code, code);
      assert.match(watching.screen.text, says);
    }
  });

  it(
    'prints a document for each change with --json, and requires a terminal otherwise',
    DEADLINE,
    async (t) => {
      const { zero, puppets } = await startServing(t, { handover: QUICK });
      const plain = await command(t, zero, 'status', '--watch');
      assert.equal(plain.code, 2);
      assert.match(plain.stderr, /^zero status: --watch needs a terminal/);
      const watching = startCommand(t, zero, ['status', '--watch', '--json']);
      await watching.shown('"incumbent":1');
      const reloading = startCommand(t, zero, ['reload']);
      await nextReady(puppets);
      assert.equal((await reloading.finished).code, 0);
      await watching.shown('"incumbent":2');
      watching.signal('SIGINT');
      const { code, stdout, stderr } = await watching.finished;
      assert.deepEqual([code, stderr], [0, '']);
      const documents = stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      assert.deepEqual([documents[0].incumbent, documents[0].generations[0].connections], [1, 0]);
      assert.equal(documents.at(-1).incumbent, 2);
    },
  );
});

describe('zero reload on a terminal', () => {
  const CANARY = { steps: [{ percent: 25, for: '1500ms' }] };

  it('shows every step with its elapsed and remaining time, and the verdict', DEADLINE, async (t) => {
    const { zero, puppets } = await startServing(t, {
      handover: { ...QUICK, canary: CANARY, soak: '1500ms' },
    });
    const reloading = zeroOnTerminal(t, zero, ['reload']);
    const candidate = await puppets.next();
    await reloading.until(shows(/worker 0 of generation 2 spawned, pid \d+\n/));
    await reloading.until(shows(/\n +\d+s {2}generation 2 starts \.\.\.$/));
    await candidate.listen({ name: 'http' });
    await candidate.write(10, 'ready\n');
    await reloading.until(shows(/passed gate ready_fd after \d/));
    await reloading.until(shows(/\n +\d+s {2}canary 25 %, [12]s left$/));
    await reloading.until(shows(/\n +\d+s {2}soak, [12]s left$/));
    await reloading.until(shows(/\n +\d+s {2}waiting until generation 1 has been asked to stop \.\.\.$/));
    assert.deepEqual(await reloading.finished, { code: 0, signal: null });
    const { text, wrapped, coloured } = reloading.screen;
    assert.match(
      text,
      /gate ready_fd .*\n(.*\n)*.* ready after .*\n.*canary 25 % for 1.5s\n.*generation 2 promoted\n.*soak for 1.5s\n(.*\n)*handover 2 promoted after .*: generation 2 serves\n$/,
    );
    assert.deepEqual([wrapped, coloured], [[], true]);
  });

  it(
    'reports the reason of a rollback within 80 columns, without colours if they are not wanted',
    DEADLINE,
    async (t) => {
      const service = await startServing(t, { handover: QUICK });
      const { zero } = service;
      service.rewrite({ runtime: { path: `/no/such/${'folder/'.repeat(20)}program` } });
      const reloading = zeroOnTerminal(t, zero, ['reload'], { environment: { NO_COLOR: '1' } });
      assert.equal((await reloading.finished).code, 1);
      const { text, wrapped, coloured } = reloading.screen;
      assert.match(
        text,
        /handover 2 failed after .*: generation 1 keeps serving\n {2}step {4}release\.path\n/,
      );
      assert.deepEqual([wrapped, coloured], [[], false]);
    },
  );

  it('leaves the handover running at Ctrl-C, and shows how to follow it', DEADLINE, async (t) => {
    const { zero, puppets } = await startServing(t, { handover: QUICK });
    const reloading = zeroOnTerminal(t, zero, ['reload']);
    const candidate = await puppets.next();
    await reloading.until(shows(/spawned/));
    reloading.type('\u0003');
    assert.deepEqual(await reloading.finished, { code: 13, signal: null });
    assert.match(
      reloading.screen.text,
      /Handover 2 is still in progress\. Wait for its result with: zero wait 2 --config/,
    );
    await candidate.listen({ name: 'http' });
    await candidate.write(10, 'ready\n');
    await zero.fact('handover_finished', { handover: 2, outcome: 'promoted' });
  });

  it('prints one document to a pipe, and its progress to the terminal', DEADLINE, async (t) => {
    const { zero, puppets } = await startServing(t, { handover: QUICK });
    let piped = '';
    const reloading = zeroOnTerminal(t, zero, ['reload', '--json'], {
      pipeOutput: (text) => {
        piped += text;
      },
    });
    await nextReady(puppets);
    assert.equal((await reloading.finished).code, 0);
    assert.equal(JSON.parse(piped).outcome, 'promoted');
    assert.match(reloading.screen.text, /generation 2 promoted/);
  });
});
