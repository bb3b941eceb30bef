import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRedact, redactAll, secretsOf } from '../../../src/telemetry/redact.ts';

describe('redacting', () => {
  it('masks every occurrence of every secret, the longest first', () => {
    const redact = createRedact(['hunter', 'hunter22', 'p$1(x']);
    assert.equal(redact('hunter22 hunter p$1(x hunter22'), '[redacted] [redacted] [redacted] [redacted]');
  });

  it('masks the values of an environment, but not those that describe a login', () => {
    const values = {
      PWD: '/srv/shop',
      USER: 'root',
      LC_ALL: 'C.UTF-8',
      TOKEN: 'hunter22',
      MY_HOME: '/secret',
    };
    const environment = new Map(Object.entries(values).map(([name, value]) => [name, Buffer.from(value)]));
    assert.deepEqual(secretsOf(environment), ['hunter22', '/secret']);
  });

  it('masks each line of a secret with several lines', () => {
    const redact = createRedact(['-----BEGIN-----\nMIIabc\n-----END-----']);
    assert.equal(redact('key MIIabc'), 'key [redacted]');
  });

  it('keeps values that are too short for a secret', () => {
    assert.equal(createRedact(['1', 'on', 'abc', ''])('exit code 1 on abc'), 'exit code 1 on abc');
  });

  it('masks the value of everything that looks like a variable', () => {
    const redact = createRedact([]);
    assert.equal(redact('DATABASE_URL=postgres://u:p@h/d ok'), 'DATABASE_URL=[redacted] ok');
    assert.equal(redact(`a.b="x y" C='z'`), 'a.b=[redacted] C=[redacted]');
  });

  it('is applied to plain data recursively', () => {
    const data = { a: ['secret', 1, null, { b: 'a secret' }], c: true, d: undefined };
    assert.deepEqual(redactAll(data, createRedact(['secret'])), {
      a: ['[redacted]', 1, null, { b: 'a [redacted]' }],
      c: true,
      d: undefined,
    });
  });
});
