import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isOwnHost } from '../../../src/http/hosts.ts';

describe('the Host header', () => {
  it('may be a name of this machine', () => {
    const own = ['localhost', 'LOCALHOST:9640', 'zero.localhost', 'localhost.', '127.0.0.1', '127.1.2.3:80'];
    for (const host of [...own, '[::1]', '[::1]:9640', 'node7:9640', undefined]) {
      assert.equal(isOwnHost(host, 'node7'), true, host);
    }
    assert.equal(isOwnHost('[fd00::7]:1', 'fd00::7'), true);
  });

  it('may not be any other name', () => {
    const strange = [
      'evil.example',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      '10.0.0.1',
      '[::2]',
      '',
    ];
    for (const host of [...strange, 'user@localhost', 'localhost:x', 'localhost/', '0.0.0.0', 'node8']) {
      assert.equal(isOwnHost(host, 'node7'), false, host);
    }
    assert.equal(isOwnHost('', ''), false);
  });
});
