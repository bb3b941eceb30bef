import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { adviceFor, type Refusal } from '../../../../src/supervisor/adoption/permission.ts';

const OWN = { uid: 1000, name: 'app' };
const OTHER = { uid: 33, name: 'www-data' };

function advice(changes: Partial<Refusal>): string {
  return adviceFor({ access: 'attach', uid: 1000, owner: OWN, scope: 0, ...changes });
}

describe('a user who may not take the sockets of a process', () => {
  for (const scope of [null, 0] as const) {
    it(`learns that the process is protected (ptrace_scope ${scope})`, () => {
      assert.match(advice({ scope }), /^The process is protected.* Run "zero adopt" as root\.$/);
    });

    it(`is referred to root or to the owner of the process (ptrace_scope ${scope})`, () => {
      const answer = 'It belongs to www-data. Run "zero adopt" as root, or as www-data.';
      assert.equal(advice({ scope, owner: OTHER }), answer);
    });
  }

  it('learns that ptrace_scope 1 permits descendants only, and may be changed', () => {
    assert.match(
      advice({ scope: 1 }),
      /^kernel\.yama\.ptrace_scope is 1: .*descendants.*ptrace_scope=0 with/,
    );
  });

  it('learns that ptrace_scope 2 permits root only', () => {
    const answer = advice({ scope: 2 });
    assert.match(answer, /^kernel\.yama\.ptrace_scope is 2: only root .* Run "zero adopt" as root\.$/);
  });

  for (const scope of [1, 2])
    it(`is referred to root only, because the owner may not either (ptrace_scope ${scope})`, () => {
      assert.equal(advice({ scope, owner: OTHER }), 'It belongs to www-data. Run "zero adopt" as root.');
    });

  it('learns that ptrace_scope 3 permits no user: neither the owner nor root', () => {
    for (const [uid, owner] of [[1000, OWN] as const, [1000, OTHER] as const, [0, OTHER] as const]) {
      const answer = advice({ scope: 3, uid, owner });
      assert.match(
        answer,
        /^kernel\.yama\.ptrace_scope is 3: .* until the next reboot\. Set .* and reboot\.$/,
      );
      assert.doesNotMatch(answer, /as root/);
    }
  });

  it('is not referred to Yama if /proc could not be read, because Yama only refuses to attach', () => {
    for (const scope of [1, 2]) assert.match(advice({ access: 'read', scope }), /^The process is protected/);
  });

  it('learns, as root, which capability is missing', () => {
    for (const scope of [null, 0, 1, 2])
      for (const owner of [OWN, OTHER, null])
        assert.match(advice({ scope, uid: 0, owner }), /^root needs the capability CAP_SYS_PTRACE\./);
  });

  it('gets a message if the process has exited', () => {
    assert.match(advice({ owner: null }), /^The process is protected/);
  });
});
