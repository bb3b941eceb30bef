import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FactLog } from '../../support/fact-log.ts';

test('a log line is parsed to its fact', async () => {
  const log = new FactLog();
  log.line(
    '{"time":"2025-01-01T00:00:00Z","level":"warn","event":"worker_exited","message":"m","generation":2,"worker":0,"pid":7,' +
      '"exit":{"kind":"signaled","signal":"SIGSEGV","core_dumped":true},"expected":false,"usage":null,"uptime_ms":12.5}',
  );
  const fact = await log.fact('worker_exited', {
    exit: { kind: 'signaled', signal: 'SIGSEGV', coreDumped: true },
  });
  assert.equal(fact.uptime, 12.5);
  log.line('{"event":"generation_gone","generation":2,"retired_for_ms":3,"usage":{"max_rss_bytes":5}}');
  const gone = await log.fact('generation_gone');
  assert.deepEqual([gone.retiredFor, gone.usage?.maxRssBytes], [3, 5]);
});

test('other lines are kept for the message of a failure', async () => {
  const log = new FactLog();
  for (const line of ['plain text', '{"half":', '{"no":"event"}']) log.line(line);
  assert.equal(log.facts.length, 0);
  log.close('gone');
  await assert.rejects(
    log.fact('error'),
    /^Error: gone; its last lines:\nplain text\n\{"half":\n\{"no":"event"\}$/,
  );
});

test('facts are matched by fields, by a test, and from a cursor', async () => {
  const log = new FactLog();
  log.line('{"event":"generation_promoted","generation":1,"previous":null}');
  const { cursor } = log;
  log.line('{"event":"generation_promoted","generation":2,"previous":1}');
  assert.equal((await log.fact('generation_promoted')).generation, 1);
  assert.equal((await log.fact('generation_promoted', { previous: 1 })).generation, 2);
  assert.equal((await log.fact('generation_promoted', (fact) => fact.generation > 1)).generation, 2);
  assert.equal((await log.fact('generation_promoted', {}, cursor)).generation, 2);
  assert.equal(log.all('generation_promoted').length, 2);
});
