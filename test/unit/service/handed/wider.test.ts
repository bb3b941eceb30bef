import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Claim } from '../../../../src/service/handed/claim.ts';
import { widerProblem } from '../../../../src/service/handed/find-handed.ts';
import { parsePlace } from '../../../../src/service/handed/place.ts';

/** The error for a program that requests this host on port 80 and would get the socket at `actual`. */
function problem(host: string | undefined, actual: string, from = 'zero'): string | null {
  const claim: Claim = { fd: 3, name: 'http', address: null, from };
  const place = parsePlace(actual);
  const wanted = { type: 'stream', port: 80, ...(host !== undefined && { host }) } as const;
  return widerProblem(claim, wanted, () => ({ socket: { type: 'stream', place } }))?.message ?? null;
}

describe('a socket of every address', () => {
  it('is refused to a program that requests one address', () => {
    for (const host of ['127.0.0.1', 'localhost', '::1', '10.0.0.1', 'api.internal', '::ffff:127.0.0.1'])
      for (const actual of ['0.0.0.0:80', '[::]:80']) assert.ok(problem(host, actual) !== null, host);
    assert.equal(
      problem('127.0.0.1', '[::]:80'),
      'descriptor 3 (http), handed over by zero, is open to every address ([::]:80), and the program asks for 127.0.0.1:80 only. ' +
        'Listen on that address (zero run --listen 127.0.0.1:80, or "address: 127.0.0.1:80" in the config), or let the program listen on every address',
    );
    assert.match(problem('::1', '[::]:80', 'systemd') ?? '', /\. Let systemd listen on \[::1\]:80, or let/);
  });

  it('is given to a program that requests every address', () => {
    for (const host of [undefined, '', '0.0.0.0', '::'])
      for (const actual of ['0.0.0.0:80', '[::]:80', '127.0.0.1:80'])
        assert.equal(problem(host, actual), null);
  });
});

it('a socket of one address is never wider', () => {
  for (const host of ['127.0.0.1', 'localhost', 'api.internal'])
    assert.equal(problem(host, '127.0.0.1:80'), null);
});
