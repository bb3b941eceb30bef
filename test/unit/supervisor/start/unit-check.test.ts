import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { linux } from '../../../../src/linux/kernel.ts';
import { unitOf, unitWarning } from '../../../../src/supervisor/start/unit-check.ts';
import { temporaryFolder } from '../../../support/temporary.ts';
import { table } from '../../workers/support.ts';

const SYSTEM_UNIT = '0::/system.slice/my-server.service\n';
const USER_UNIT = '0::/user.slice/user-1000.slice/user@1000.service/app.slice/my-server.service\n';

/** The warning for a zero in this cgroup, with a systemctl that prints these properties. */
async function warning(
  t: TestContext,
  properties: string,
  changes: { cgroups?: string; environment?: NodeJS.ProcessEnv } = {},
) {
  const folder = temporaryFolder(t);
  const called = join(folder, 'called');
  const script = `#!/bin/sh\necho "$*" >${called}\ncat <<EOF\n${properties}\nEOF\n`;
  writeFileSync(join(folder, 'systemctl'), script, { mode: 0o755 });
  return unitWarning({
    system: { kernel: linux, table, refused: (refusals) => assert.fail(JSON.stringify(refusals)) },
    environment: { PATH: `${folder}:${process.env.PATH}`, SYSTEMD_EXEC_PID: '7', ...changes.environment },
    pid: 7,
    cgroups: () => changes.cgroups ?? SYSTEM_UNIT,
  });
}

describe('the unit that runs zero', () => {
  it('causes a warning if it ends the service and removes the state of a killed zero', async (t) => {
    const properties = 'KillMode=mixed\nRuntimeDirectory=zero/my-server\nRuntimeDirectoryPreserve=no';
    assert.equal(
      await warning(t, properties),
      'systemd ends the service when zero is killed, because unit my-server.service has KillMode=mixed. Set in its section [Service]: KillMode=process, RuntimeDirectoryPreserve=yes. Then run: systemctl daemon-reload',
    );
  });

  it('causes a warning with the default KillMode, for the manager of a user too', async (t) => {
    const message = await warning(t, 'KillMode=control-group\nRuntimeDirectory=', { cgroups: USER_UNIT });
    assert.match(message ?? '', /KillMode=control-group\. .*: KillMode=process\. .*systemctl --user daemon/);
  });

  it('causes a warning if it only removes the state', async (t) => {
    const properties = 'KillMode=process\nRuntimeDirectory=zero/x\nRuntimeDirectoryPreserve=no';
    const message = await warning(t, properties);
    assert.match(message ?? '', /^zero cannot continue .*\[Service\]: RuntimeDirectoryPreserve=yes\./);
  });

  for (const fine of [
    'KillMode=process\nRuntimeDirectory=zero/x\nRuntimeDirectoryPreserve=yes',
    'KillMode=process\nRuntimeDirectory=\nRuntimeDirectoryPreserve=no',
    'KillMode=none',
    'Failed to connect to bus',
  ]) {
    it(`is accepted: ${fine.replaceAll('\n', ', ')}`, async (t) =>
      assert.equal(await warning(t, fine), null));
  }

  it('is not checked if systemd did not start zero itself', async (t) => {
    for (const SYSTEMD_EXEC_PID of [undefined, '8'])
      assert.equal(await warning(t, 'KillMode=mixed', { environment: { SYSTEMD_EXEC_PID } }), null);
  });

  it('is unknown without systemctl', async (t) => {
    assert.equal(await warning(t, 'KillMode=mixed', { environment: { PATH: '/nonexistent' } }), null);
  });
});

describe('the name of a unit', () => {
  const CASES: readonly [string, ReturnType<typeof unitOf>][] = [
    [SYSTEM_UNIT, { name: 'my-server.service', manager: 'system' }],
    [USER_UNIT, { name: 'my-server.service', manager: 'user' }],
    [
      '9:name=systemd:/system.slice/zero@web.service\n0::/\n',
      { name: 'zero@web.service', manager: 'system' },
    ],
    ['0::/system.slice/a.service/workers\n', { name: 'a.service', manager: 'system' }],
    ['0::/user.slice/user-0.slice/user@0.service/app.slice/terminal.scope\n', null],
    ['0::/\n', null],
    ['4:memory:/system.slice/a.service\n', null],
    ['', null],
  ];
  for (const [cgroups, unit] of CASES)
    it(JSON.stringify(cgroups), () => assert.deepEqual(unitOf(cgroups), unit));
});
