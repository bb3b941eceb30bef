import assert from 'node:assert/strict';
import { chownSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, it } from 'node:test';
import { command } from '../support/command.ts';
import { installZero } from '../support/installed.ts';
import { account, asAccount, IS_ROOT, sharedFolder } from '../support/privileges.ts';
import { whoAnswers } from '../support/puppet-service.ts';
import { DEADLINE, startZero } from '../support/zero.ts';

const SERVICE = `
const { createServer } = require('node:http');
const server = createServer((_, response) => {
  response.end(JSON.stringify({ generation: Number(process.env.ZERO_GENERATION), pid: process.pid }));
}).listen({ fd: Number(process.argv[1]) });
process.on('SIGTERM', () => server.close(() => process.exit(0)));
`;

describe('zero run with a command', () => {
  it('serves, reloads and stops it without a file, for an ordinary user', DEADLINE, async (t) => {
    const folder = sharedFolder(t);
    const nobody = account('nobody');
    if (IS_ROOT) chownSync(folder, nobody.uid, nobody.gid);
    const { command: program } = installZero(t);
    const service = [process.execPath, '-e', SERVICE, '--', '${fd.listener1}'];
    const zero = startZero(t, {
      folder,
      command: IS_ROOT ? [...asAccount(nobody), ...program] : program,
      args: ['run', '--listen', '127.0.0.1:0', '--listen', `unix:${join(folder, 'app')}`, '--', ...service],
      // Created for this user, by a test that may run as root.
      environment: { XDG_RUNTIME_DIR: folder, XDG_STATE_HOME: folder },
    });
    const { name, config } = await zero.fact('supervisor_started');
    // Never named after the interpreter, because the directory has a name.
    assert.match(name, new RegExp(`^${basename(folder)}-[0-9a-f]{8}$`));
    assert.equal(config, null);
    await zero.fact('generation_promoted', { generation: 1 });
    const address = await zero.address('listener1');
    assert.equal((await whoAnswers(address)).generation, 1);
    assert.equal(await zero.address('listener2'), join(folder, 'app'));
    zero.signal('SIGHUP');
    await zero.fact('generation_gone', { generation: 1 });
    assert.equal((await whoAnswers(address)).generation, 2);
    zero.signal('SIGTERM');
    assert.deepEqual(await zero.exited, { code: 0, signal: null });
  });

  it('exits with 2 for a usage error', DEADLINE, async (t) => {
    for (const [args, message] of [
      [['--listen', '8080'], /^zero run: no command given\. Write: zero run --listen 8080 -- CMD/],
      [['--listen', 'x', '--', '/bin/true'], /^--listen x: "x" has no port: write "x:8080"\n$/],
      [['--workers', 'x', '--', '/bin/true'], /^--workers x: must be a whole number or auto, not "x"\n$/],
      [['--', 'no-such-command'], /^-- no-such-command: was not found in PATH\n$/],
      [['--config', 'zero.yaml', '--', '/bin/true'], /^zero run: --config cannot be combined with a command/],
    ] as const) {
      const { code, stdout, stderr } = await command(t, null, 'run', ...args);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, message);
    }
  });
});
