import assert from 'node:assert/strict';
import test from 'node:test';
import type { CapabilitySets } from '../../../../src/linux/capabilities.ts';
import { requireCapabilities } from '../../../../src/workers/spawning/privileges.ts';
import { ReleaseError } from '../../../../src/workers/spawning/release-error.ts';

const bind = { name: 'CAP_NET_BIND_SERVICE', number: 10 };
const nice = { name: 'CAP_SYS_NICE', number: 23 };
const www = { uid: 33 };
const sets = (permitted: bigint, bounding = permitted, inheritable = 0n): CapabilitySets => ({
  permitted,
  bounding,
  inheritable,
});
const bit = ({ number }: { number: number }) => 1n << BigInt(number);

function refusal(...args: Parameters<typeof requireCapabilities>): string | null {
  try {
    requireCapabilities(...args);
    return null;
  } catch (error) {
    assert.ok(error instanceof ReleaseError);
    assert.equal(error.step, 'capabilities');
    return error.message;
  }
}

test('zero can give its own capabilities', () => {
  const all = sets(bit(bind) | bit(nice));
  assert.equal(refusal({ capabilities: [bind, nice] }, www, all, 0), null);
  assert.equal(refusal({ capabilities: [bind] }, null, all, 1000), null);
  // A capability outside of the bounding set stays inheritable if it already is (capabilities(7)).
  assert.equal(refusal({ capabilities: [bind] }, www, sets(bit(bind), 0n, bit(bind)), 1000), null);
  assert.equal(refusal({ capabilities: [] }, null, sets(0n), 0), null);
  assert.equal(refusal({ capabilities: [bind] }, www, null, 1000), null);
});

test('missing capabilities are reported with the solution', () => {
  assert.equal(
    refusal({ capabilities: [bind, nice] }, www, sets(bit(nice)), 1000),
    'cannot give CAP_NET_BIND_SERVICE to the service: zero (uid 1000) does not have this capability itself. Start zero as root, or with AmbientCapabilities=CAP_NET_BIND_SERVICE in its unit',
  );
  assert.match(
    refusal({ capabilities: [bind, nice] }, www, sets(bit(bind) | bit(nice), 0n), 0) ?? '',
    /^cannot give CAP_NET_BIND_SERVICE CAP_SYS_NICE to the service: zero \(uid 0\) does not have these capabilities itself\. Add .*--cap-add/,
  );
});

test('capabilities are refused for a service that runs as root', () => {
  for (const user of [null, { uid: 0 }])
    assert.match(
      refusal({ capabilities: [bind] }, user, sets(bit(bind)), 0) ?? '',
      /^capabilities have no effect: .*Set runtime\.user/,
    );
});
