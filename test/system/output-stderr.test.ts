import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { NumberedLines } from '../support/numbered-lines.ts';
import { ZERO_COMMAND } from '../support/paths.ts';
import { openPipeReader, type PipeReader } from '../support/pipe-reader.ts';
import { nextReady, startPuppetService } from '../support/puppet-service.ts';
import { type Scope, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE } from '../support/zero.ts';

const RELOADS = 5;
const BYTES = 500_000;

/**
 * Runs zero with its output redirected to `redirect` (`$out` is the reader's pipe), lets the service write much on both
 * streams while zero logs its reloads, and reads only at the end. Resolves to the received text.
 */
async function talk(scope: Scope, redirect: string, written: Record<1 | 2, NumberedLines>): Promise<string> {
  const folder = temporaryFolder(scope);
  const reader: PipeReader = openPipeReader(scope, join(folder, 'pipe'));
  const command = `out=$1; shift; exec "$@" ${redirect}`;
  const service = await startPuppetService(
    scope,
    {},
    { folder, command: ['sh', '-c', command, 'sh', reader.path, ...ZERO_COMMAND] },
  );
  let serving = await nextReady(service.puppets);
  for (let reloads = 0; reloads < RELOADS; reloads += 1) {
    await serving.write(1, written[1].next(BYTES));
    await serving.write(2, written[2].next(BYTES));
    service.reload();
    const next = await nextReady(service.puppets);
    await serving.gone;
    serving = next;
  }
  reader.read();
  const ended = reader.until('END\n');
  await serving.write(2, 'END\n');
  await ended;
  // Log lines may follow, and the last one may be incomplete.
  const received = reader.take().toString('latin1');
  return received.slice(0, received.indexOf('END\n'));
}

function assertWhole(received: string, lines: NumberedLines): void {
  assert.deepEqual(lines.missingFrom(Buffer.from(received, 'latin1')), { lines: 0, bytes: 0 });
}

/** Joins the lines with this prefix. */
function select(received: string, begin: string): string {
  const lines = received.split(/(?<=\n)/).filter((line) => line.startsWith(begin));
  return lines.join('');
}

function assertLog(received: string): void {
  const log = select(received, '{').trimEnd().split('\n');
  const events = log.map((line) => JSON.parse(line).event);
  assert.equal(events.filter((event) => event === 'generation_promoted').length, RELOADS + 1);
}

describe('standard error, shared by services and the log of zero', () => {
  it('has whole lines of both if its reader is slow', DEADLINE, async (t) => {
    const written = { 1: new NumberedLines('out'), 2: new NumberedLines('err') };
    const received = await talk(t, '2>"$out"', written);
    assertLog(received);
    assertWhole(received.replaceAll(/^\{.*\n/gm, ''), written[2]);
  });

  it('has whole lines of all three if it is the same as standard output', DEADLINE, async (t) => {
    const written = { 1: new NumberedLines('out'), 2: new NumberedLines('err') };
    const received = await talk(t, '>"$out" 2>&1', written);
    assertLog(received);
    assertWhole(select(received, 'out'), written[1]);
    assertWhole(select(received, 'err'), written[2]);
    assert.equal(received.replaceAll(/^(\{|out|err).*\n/gm, ''), '');
  });
});
