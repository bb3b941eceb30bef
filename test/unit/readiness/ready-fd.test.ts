import assert from 'node:assert/strict';
import { closeSync, writeSync } from 'node:fs';
import { describe, it } from 'node:test';
import { linux } from '../../../src/linux/kernel.ts';
import { openPipe } from '../../../src/linux/pipes.ts';
import { startReadyFdGate } from '../../../src/readiness/ready-fd.ts';
import { verdictOf } from './verdict.ts';

function start() {
  const { read, write } = openPipe();
  const answer = verdictOf();
  return {
    write,
    ...answer,
    gate: startReadyFdGate({ kernel: linux, fd: read, descriptor: 10 }, answer.callbacks),
  };
}

describe('the ready_fd gate', () => {
  it('passes on a line with any content', async () => {
    const { write, verdict } = start();
    writeSync(write, Buffer.from([0, 255, 1]));
    writeSync(write, 'ready\nand more');
    assert.equal(await verdict, 'passed');
    closeSync(write);
  });

  it('passes on an empty line that is followed by the end, as s6 services write it', async () => {
    const { write, verdict } = start();
    writeSync(write, '\n');
    closeSync(write);
    assert.equal(await verdict, 'passed');
  });

  it('fails when the descriptor is closed without a line', async () => {
    const { write, verdict, gate } = start();
    assert.equal(gate.lastReason(), 'no line on descriptor 10');
    writeSync(write, 'almost');
    closeSync(write);
    assert.equal(await verdict, 'failed: closed descriptor 10 without writing a line');
  });

  it('lets a service write more after its line', async () => {
    const { write, verdict, gate } = start();
    writeSync(write, '\n');
    assert.equal(await verdict, 'passed');
    gate.close();
    // EPIPE here would be SIGPIPE in the service.
    writeSync(write, 'more\n');
    closeSync(write);
  });

  it('reports nothing after close', async () => {
    const { write, calls, gate } = start();
    writeSync(write, '\n');
    gate.close();
    closeSync(write);
    const other = start();
    writeSync(other.write, '\n');
    closeSync(other.write);
    await other.verdict;
    assert.deepEqual(calls, []);
  });
});
