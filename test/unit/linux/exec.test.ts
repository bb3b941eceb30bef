import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { prepareExec } from '../../../src/linux/exec.ts';
import { openPipe } from '../../../src/linux/pipes.ts';
import { closeFd } from '../../../src/linux/sockets.ts';
import { ended, readAll, start } from './support.ts';

test('a failed execve is an error, and this program continues', () => {
  assert.throws(() => prepareExec('/no/such', ['x'], [])(), { code: 'ENOENT', syscall: 'execve' });
});

test('execve replaces the program, and keeps the process and the chosen descriptors', async () => {
  const output = openPipe();
  const module = pathToFileURL(`${import.meta.dirname}/../../../src/linux/exec.js`).href;
  const text = `
    import { prepareExec, setCloseOnExec } from '${module}';
    import { openSync } from 'node:fs';
    const kept = openSync('/dev/null', 'r');
    const closed = openSync('/dev/null', 'r');
    for (const fd of [0, 1, 2, kept]) setCloseOnExec(fd, false);
    const test = 'echo $$ $KEPT $(test -e /proc/$$/fd/' + kept + ' && echo kept) $(test -e /proc/$$/fd/' + closed + ' || echo closed)';
    prepareExec('/bin/sh', ['sh', '-c', test], [Buffer.from('KEPT=value')])();`;
  const pid = start({
    path: process.execPath,
    argv: ['node', '--input-type=module', '-e', text],
    descriptors: new Map([
      [1, output.write],
      [2, output.write],
    ]),
  });
  closeFd(output.write);
  assert.equal((await readAll(output.read)).toString(), `${pid} value kept closed\n`);
  assert.deepEqual(await ended(pid), { kind: 'exited', code: 0 });
});
