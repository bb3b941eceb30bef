import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { command, type Finished, startCommand } from '../support/command.ts';
import { ZERO_COMMAND } from '../support/paths.ts';
import { account, asAccount, requireRoot } from '../support/privileges.ts';
import { startServing } from '../support/puppet-service.ts';
import { type Scope, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, runZero } from '../support/zero.ts';
import { writeConfig } from '../support/zero-config.ts';

const QUICK = { settle: '200ms', drain_timeout: '1s' };

/** Every command that has --json. */
const COMMANDS: readonly (readonly string[])[] = [
  ['status'],
  ['status', '--watch'],
  ['reload'],
  ['reload', '--no-wait'],
  ['reload', '--timeout', '1s'],
  ['rollback'],
  ['wait'],
  ['wait', '1'],
  ['history'],
  ['logs'],
  ['scale', '2'],
];

interface ErrorDocument {
  readonly version: number;
  readonly error: { readonly code: string; readonly message: string };
  readonly exit_code: number;
}

/** The only document on standard output. */
function documentOf({ stdout }: Finished, what: string): unknown {
  const document: unknown = JSON.parse(stdout);
  assert.ok(typeof document === 'object' && document !== null, what);
  return document;
}

function errorOf(finished: Finished, what: string): ErrorDocument['error'] {
  const { version, error, exit_code } = documentOf(finished, what) as ErrorDocument;
  assert.deepEqual([version, exit_code], [1, finished.code], what);
  assert.notEqual(error.message, '', what);
  assert.ok(finished.stderr.includes(error.message), what);
  return error;
}

/** A failure that all commands share: the config that specifies the instance, and the expected error. */
interface Situation {
  readonly code: number;
  readonly error: string;
  readonly config: (scope: Scope) => Promise<string> | string;
}

/** A config whose control socket belongs to a server other than zero. */
async function socketThat(scope: Scope, serve: (socket: net.Socket) => void): Promise<string> {
  const folder = temporaryFolder(scope);
  const path = join(folder, 'control.sock');
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    scope.after(() => void socket.destroy());
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  scope.after(() => void server.close());
  const application = { runtime_directory: folder, control: { path } };
  return writeConfig(folder, { application, service: { runtime: { path: '/bin/true' } } });
}

const SITUATIONS: Readonly<Record<string, Situation>> = {
  'no instance is running': {
    code: 3,
    error: 'no_instance',
    config: (scope) => {
      const folder = temporaryFolder(scope);
      const application = { runtime_directory: join(folder, 'run'), data_directory: join(folder, 'data') };
      return writeConfig(folder, { application, service: { runtime: { path: '/bin/true' } } });
    },
  },
  'the config is invalid': {
    code: 3,
    error: 'no_instance',
    config: (scope) => writeConfig(temporaryFolder(scope), { service: { runtime: { path: 7, nice: 'x' } } }),
  },
  'the config is not YAML': {
    code: 3,
    error: 'no_instance',
    config: (scope) => {
      const file = join(temporaryFolder(scope), 'zero.yaml');
      writeFileSync(file, 'service: [\n');
      return file;
    },
  },
  'the config is missing': {
    code: 3,
    error: 'no_instance',
    config: (scope) => join(temporaryFolder(scope), 'zero.yaml'),
  },
  'the connection is closed before the answer': {
    code: 1,
    error: 'gone',
    config: (scope) => socketThat(scope, (socket) => socket.once('data', () => socket.destroy())),
  },
  'another program answers': {
    code: 1,
    error: 'strange',
    config: (scope) =>
      socketThat(scope, (socket) =>
        socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n')),
      ),
  },
  'the supervisor is of a release too far away': {
    code: 1,
    error: 'incompatible',
    config: (scope) =>
      socketThat(scope, (socket) =>
        socket.once('data', () =>
          socket.write(
            'HTTP/1.1 400 Bad\r\nContent-Length: 0\r\nZero-Protocol: 9\r\nZero-Version: 9.0.0\r\nZero-Name: web\r\nZero-Pid: 7\r\n\r\n',
          ),
        ),
      ),
  },
};

describe('--json prints exactly one document, and the exit code is unchanged, when', () => {
  for (const [name, { code, error, config }] of Object.entries(SITUATIONS)) {
    it(name, DEADLINE, async (t) => {
      const file = await config(t);
      for (const args of COMMANDS) {
        const what = `zero ${args.join(' ')}`;
        const finished = await command(t, { config: file }, ...args, '--json');
        const { code: word, message } = errorOf(finished, what);
        assert.deepEqual([finished.code, word], [code, error], what);
        const plain = await command(t, { config: file }, ...args);
        if (args.includes('--watch')) continue;
        assert.deepEqual([plain.code, plain.stdout], [code, ''], what);
        assert.equal(plain.stderr, `zero ${args[0]}: ${message}\n`, what);
      }
    });
  }

  it('the command has a usage error', DEADLINE, async (t) => {
    for (const args of [
      ...COMMANDS.map((one) => [...one, '--no-such-option']),
      ...COMMANDS.map((one) => [...one, '--config', 'a', '--name', 'b']),
      ['wait', '1', '2'],
      ['no-such-command'],
      ['promote'],
    ]) {
      const what = `zero ${args.join(' ')}`;
      const finished = await command(t, null, ...args, '--json');
      assert.equal(finished.code, 2, what);
      assert.equal(errorOf(finished, what).code, 'usage', what);
    }
  });

  it('a value is invalid', DEADLINE, async (t) => {
    const { zero } = await startServing(t, { handover: QUICK });
    for (const args of [
      ['reload', '--timeout', 'soon'],
      ['rollback', '--to', 'yesterday'],
      ['wait', 'last'],
      ['wait', '--timeout', '0s'],
      ['scale', 'many'],
      ['logs', '-n', 'x'],
    ]) {
      const what = `zero ${args.join(' ')}`;
      const finished = await command(t, zero, ...args, '--json');
      assert.equal(finished.code, 2, what);
      assert.equal(errorOf(finished, what).code, 'usage', what);
    }
  });

  it('this user may not control the instance', DEADLINE, async (t) => {
    if (!requireRoot(t, 'only root can become another user')) return;
    const { zero } = await startServing(t, { handover: QUICK });
    assert.ok(zero.config);
    chmodSync(zero.folder, 0o755);
    for (const args of COMMANDS) {
      const what = `zero ${args.join(' ')}`;
      const finished = await runZero(t, {
        command: [...asAccount(account('nobody')), ...ZERO_COMMAND],
        args: [...args, '--json', '--config', zero.config],
      });
      assert.equal(finished.code, 1, what);
      assert.equal(errorOf(finished, what).code, 'denied', what);
    }
  });

  it('zero refuses the request', DEADLINE, async (t) => {
    const { zero } = await startServing(t, { handover: QUICK });
    const unknown = await command(t, zero, 'wait', '9', '--json');
    assert.deepEqual([unknown.code, errorOf(unknown, 'wait').code], [1, 'unknown_handover']);
    const rollback = await command(t, zero, 'rollback', '--json');
    const { outcome } = documentOf(rollback, 'rollback') as { outcome: string };
    assert.deepEqual([rollback.code, outcome], [1, 'failed']);
  });

  it('zero is killed before the verdict', DEADLINE, async (t) => {
    const { zero, puppets } = await startServing(t, { handover: QUICK });
    const commands = [startCommand(t, zero, ['reload', '--json'])];
    await puppets.next();
    commands.push(
      startCommand(t, zero, ['wait', '--json']),
      startCommand(t, zero, ['rollback', '--to', '1', '--json']),
    );
    await zero.fact('reload_requested', { by: 'zero rollback' });
    process.kill(zero.pid, 'SIGKILL');
    const [reload, wait, rollback] = await Promise.all(commands.map(({ finished }) => finished));
    assert.ok(reload && wait && rollback);
    const lost = documentOf(reload, 'reload') as { error: { code: string; handover: number } };
    assert.deepEqual([reload.code, lost.error.code, lost.error.handover], [1, 'gone', 2]);
    assert.equal(errorOf(rollback, 'rollback').code, 'gone');
    // It may have started too late.
    assert.ok(['gone', 'no_instance'].includes(errorOf(wait, 'wait').code));
  });

  it('a caller is superseded, times out, is interrupted or does not wait', DEADLINE, async (t) => {
    const { zero, puppets } = await startServing(t, { handover: QUICK });
    const outcomeOf = (finished: Finished) => {
      const { outcome, handover } = documentOf(finished, 'reload') as { outcome: string; handover: number };
      return [finished.code, outcome, handover];
    };
    const first = startCommand(t, zero, ['reload', '--json']);
    await puppets.next();
    const noWait = await command(t, zero, 'reload', '--replace', '--no-wait', '--json');
    assert.deepEqual(outcomeOf(noWait), [13, 'in_progress', 3]);
    assert.deepEqual(outcomeOf(await first.finished), [14, 'superseded', 2]);
    await puppets.next();
    const interrupted = startCommand(t, zero, ['reload', '--preview', '--json']);
    await zero.fact('reload_requested', { handover: 4 });
    const over = await command(t, zero, 'reload', '--preview', '--timeout', '300ms', '--json');
    assert.deepEqual(outcomeOf(over), [13, 'in_progress', 4]);
    interrupted.signal('SIGINT');
    assert.deepEqual(outcomeOf(await interrupted.finished), [13, 'in_progress', 4]);
    assert.equal((await command(t, zero, 'abort')).code, 0);
    await puppets.next();
    const timedOut = startCommand(t, zero, ['reload', '--replace', '--timeout', '1s', '--json']);
    assert.deepEqual(outcomeOf(await timedOut.finished), [11, 'timed_out', 5]);
  });
});

describe('zero status --watch --json', () => {
  it('prints one document in each line, also when zero is killed', DEADLINE, async (t) => {
    const { zero } = await startServing(t, { handover: QUICK });
    const watching = startCommand(t, zero, ['status', '--watch', '--json']);
    await watching.shown('"incumbent":1');
    process.kill(zero.pid, 'SIGKILL');
    const { code, stdout, stderr } = await watching.finished;
    assert.deepEqual([code, stderr], [1, 'zero status: zero exited unexpectedly. Check its log.\n']);
    const documents = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.equal(documents[0].incumbent, 1);
    assert.equal(documents.at(-1).error.code, 'gone');
  });
});
