import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { durationText } from '../../../src/common/duration.ts';
import type { Fact } from '../../../src/lifecycle/facts.ts';
import { isWanted, levelOf } from '../../../src/telemetry/level.ts';
import { humanLine, jsonLine } from '../../../src/telemetry/lines.ts';
import { facts } from './facts.ts';

const AT = new Date(2024, 0, 2, 12, 34, 56, 789).getTime();
const human = (fact: Fact) => humanLine(AT, fact, false);

describe('a line of text', () => {
  it('has time, level, message and fields', () => {
    assert.equal(
      human(facts.worker_ready),
      '12:34:56.789 info  worker ready  generation=3 worker=0 after=1.2s',
    );
    assert.equal(human(facts.warning), '12:34:56.789 warn  nobody listens  about=metrics');
    assert.equal(
      human(facts.worker_exited),
      '12:34:56.789 warn  worker exited unexpectedly  generation=3 worker=0 pid=42 exit="exit code 1" expected=false uptime=1m30s',
    );
    assert.equal(
      human(facts.handover_finished),
      '12:34:56.789 error handover rolled back  handover=2 outcome=rolled_back generation=3 incumbent=2 duration=5s step=readiness.http reason="GET /healthz: 503"',
    );
    assert.equal(
      human(facts.generation_gone),
      '12:34:56.789 info  generation ended  generation=2 retired_for=1h2m',
    );
    assert.match(human(facts.worker_not_ready), / waiting=http,tcp after=1m$/);
  });

  it('omits empty values', () => {
    const line = human({ event: 'generation_promoted', generation: 1, previous: null });
    assert.equal(line, '12:34:56.789 info  generation promoted  generation=1');
  });

  it('quotes ambiguous values', () => {
    const path = '/a b/"c"=\\d';
    assert.match(human({ ...facts.service_starting, path }), / path="\/a b\/\\"c\\"=\\\\d" directory=\/ /);
    assert.match(human({ ...facts.service_starting, path: '' }), / path="" /);
    assert.match(human({ ...facts.service_starting, path: '/ünï' }), / path=\/ünï /);
  });

  it('contains no control characters', () => {
    const message = 'a\u001b[2Jb\nc\u009bd\u202ee\u0000\u200b\u200f\ufeff\u{e0041}\u200d';
    assert.equal(
      human({ event: 'warning', about: 'x\ny', message }),
      '12:34:56.789 warn  a\\u001b[2Jb\\nc\\u009bd\\u202ee\\u0000\\u200b\\u200f\\ufeff\\udb40\\udc41\u200d  about="x\\ny"',
    );
  });

  it('has colours if they are wanted', () => {
    const dim = '\u001b[2m12:34:56.789\u001b[0m';
    assert.equal(
      humanLine(AT, facts.error, true),
      `${dim} \u001b[31merror\u001b[0m it did not leave  step=kill`,
    );
    assert.equal(
      humanLine(AT, { event: 'generation_retiring', generation: 2 }, true),
      `${dim} info  generation retiring  generation=2`,
    );
  });

  it('exists for every fact', () => {
    for (const fact of Object.values(facts))
      assert.match(human(fact), /^[\d:.]{12} (debug|info |warn |error) \S[^\n]*$/);
  });
});

describe('a line of JSON', () => {
  it('has stable names and units', () => {
    assert.equal(
      jsonLine(0, facts.worker_ready),
      '{"time":"1970-01-01T00:00:00.000Z","level":"info","event":"worker_ready","message":"worker ready","generation":3,"worker":0,"after_ms":1234}',
    );
    const gone = JSON.parse(jsonLine(AT, { ...facts.generation_gone, retiredFor: 1.23456789 }));
    assert.equal(gone.retired_for_ms, 1.235);
    assert.equal(gone.usage.max_rss_bytes, 52_428_800);
    const finished = JSON.parse(jsonLine(AT, facts.handover_finished));
    assert.deepEqual(finished.failure.exit, { kind: 'signaled', signal: 'SIGSEGV', core_dumped: true });
    assert.equal(finished.failure.output.length, 3);
    assert.equal(JSON.parse(jsonLine(AT, facts.warning)).message, 'nobody listens');
  });

  it('contains no control characters and is valid JSON', () => {
    const message = 'a\u001b[2Jb\u009bc\u007fd\u2028e';
    const line = jsonLine(0, { event: 'warning', about: 'x', message });
    assert.doesNotMatch(line, /[\p{Cc}\u2028]/u);
    assert.equal(JSON.parse(line).message, message);
  });

  it('names every event', () => {
    for (const fact of Object.values(facts)) assert.equal(JSON.parse(jsonLine(0, fact)).event, fact.event);
  });
});

describe('levels', () => {
  it('are ordered', () => {
    assert.equal(isWanted('debug', 'info'), false);
    assert.equal(isWanted('warn', 'info'), true);
    assert.equal(isWanted('error', 'error'), true);
  });

  it('depend on the outcome', () => {
    assert.equal(levelOf({ ...facts.handover_finished, outcome: 'promoted', failure: null }), 'info');
    assert.equal(levelOf({ ...facts.handover_finished, outcome: 'aborted' }), 'warn');
    assert.equal(levelOf({ ...facts.handover_finished, outcome: 'superseded' }), 'warn');
    assert.equal(levelOf({ ...facts.handover_finished, outcome: 'superseded', failure: null }), 'info');
    assert.equal(levelOf({ ...facts.worker_exited, expected: true }), 'info');
    assert.equal(levelOf({ ...facts.supervisor_stopped, code: 1 }), 'error');
  });
});

describe('a duration', () => {
  it('is short', () => {
    const texts = [0, 350.4, 999.4, 1000, 1290, 59_999, 60_000, 90_000, 3_600_000, 7_380_000].map(
      durationText,
    );
    assert.deepEqual(texts, ['0ms', '350ms', '999ms', '1s', '1.2s', '59.9s', '1m', '1m30s', '1h', '2h3m']);
  });
});
