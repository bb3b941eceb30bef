import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressesInHosts } from '../../../src/listeners/hosts-file.ts';

const HOSTS = `
# a comment
127.0.0.1\tlocalhost LocalHost.localdomain # not: ghost
::1 localhost ip6-localhost
10.0.0.1 twins
10.0.0.2 twins
10.0.0.3 again
10.0.0.3 again
nonsense broken
fe80::1%eth0 zoned
`;

const look = (name: string, nsswitch = 'hosts: files dns\n') =>
  addressesInHosts(name, { hosts: HOSTS, nsswitch });

test('a name has the addresses that its lines give it', () => {
  assert.deepEqual(look('localhost'), [
    { address: '127.0.0.1', family: 4 },
    { address: '::1', family: 6 },
  ]);
  assert.deepEqual(look('localhost.localdomain'), [{ address: '127.0.0.1', family: 4 }]);
  assert.deepEqual(look('again'), [{ address: '10.0.0.3', family: 4 }]);
});

test('what is not for the file to say is left to the resolver', () => {
  for (const name of ['ghost', 'unknown', 'twins', 'broken', 'zoned', '127.0.0.1']) {
    assert.deepEqual(look(name), [], name);
  }
});

test('the file is asked where nsswitch.conf asks it first, which is the default', () => {
  for (const nsswitch of ['', 'passwd: files\n', '# hosts: dns\nhosts:\tfiles\n']) {
    assert.equal(look('localhost', nsswitch).length, 2, nsswitch);
  }
  for (const nsswitch of ['hosts: dns files\n', 'hosts: mymachines resolve [!UNAVAIL=return] files\n']) {
    assert.deepEqual(look('localhost', nsswitch), [], nsswitch);
  }
});
